"""Requests to vLLM and its outputs, without vLLM."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from datajob.operators.inference._engines.base import Options, Request
from datajob.operators.inference._engines.schemas import FORM
from datajob.operators.inference._engines.serving import GenerationRequest, ModelFailed, Piece
from datajob.operators.inference._engines.vllm_answers import VllmAnswer
from datajob.operators.inference._engines.vllm_process import FAILURE, SERVER
from datajob.operators.inference._engines.vllm_requests import sampling, served_sampling, structure

GREEDY = {
    "max_tokens": 7, "temperature": 0.0, "top_p": 1.0, "top_k": 0, "repetition_penalty": 1.1, "seed": None, "detokenize": False,
}  # fmt: skip
PLAIN = {**GREEDY, "logprobs": None, "frequency_penalty": 0.0, "presence_penalty": 0.0}


@dataclass
class Logprob:
    """As in vLLM."""

    logprob: float
    rank: int


@dataclass
class Output:
    """The fields of `vllm.outputs.CompletionOutput` that are used."""

    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None = None
    finish_reason: str | None = None


@dataclass
class Tokenizer:
    """Token 1 is `a`, 2 is `b` and so on; two tokens of 100 and more are one character."""

    all_special_ids: list[int] = field(default_factory=lambda: [0])

    def convert_ids_to_tokens(self, token: int) -> str:
        return "<end>" if token == 0 else chr(96 + token) if token < 100 else f"<0x{token:02X}>"

    def decode(self, tokens: list[int], skip_special_tokens: bool = True) -> str:
        data = b"".join(bytes([token]) if token >= 100 else chr(96 + token).encode() for token in tokens if token)
        return data.decode(errors="replace")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (GenerationRequest(), PLAIN),
        (GenerationRequest(logprobs=0), {**PLAIN, "logprobs": 0}),
        (GenerationRequest(logprobs=20), {**PLAIN, "logprobs": 20}),
        (
            GenerationRequest(frequency_penalty=-2.0, presence_penalty=1.5),
            {**PLAIN, "frequency_penalty": -2.0, "presence_penalty": 1.5},
        ),
        (GenerationRequest(stop=("x",), n=3), PLAIN),
    ],
)
def test_sampling_parameters_of_online_requests(request_: GenerationRequest, expected: dict[str, Any]) -> None:
    assert served_sampling(request_, Request("", Options(7), seed=5), 1.1) == expected


def test_sampled_answers_have_the_seed_of_their_row() -> None:
    found = sampling(Request("", Options(7, 0.5, 0.9, 40), seed=5), 1.1)
    assert found == {**GREEDY, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 5}


def test_schemas_of_answers() -> None:
    assert structure(None) is None
    assert json.loads((structure(True) or {})["json"]) == {"type": "object", "x-guidance": FORM}
    assert json.loads((structure({"const": 1}) or {})["json"]) == {"const": 1, "x-guidance": FORM}
    assert json.loads((structure({}) or {})["json"]) == {"x-guidance": FORM}


def pieces(request: GenerationRequest, *outputs: Output) -> list[Piece]:
    """The pieces of an answer with the number 2."""
    answer = VllmAnswer(request, 2, Tokenizer())
    found = [piece for output in outputs for piece in answer.pieces(output)]
    assert answer.complete == any(piece.finish_reason for piece in found)
    return found


TEXTS: dict[str, tuple[int, tuple[str, ...], list[Output], list[tuple[str, int, str | None]]]] = {
    "tokens": (9, (), [Output([1]), Output([2, 3])], [("a", 1, None), ("b", 1, None), ("c", 1, None)]),
    "end": (9, (), [Output([1]), Output([2, 0], None, "stop")], [("a", 1, None), ("b", 1, None), ("", 0, "stop")]),
    "only the end": (9, (), [Output([0], None, "stop")], [("", 0, "stop")]),
    "length": (2, (), [Output([1]), Output([2], None, "length")], [("a", 1, None), ("b", 1, "length")]),
    "length of the model": (9, (), [Output([1], None, "length")], [("a", 1, None), ("", 0, "length")]),
    "stop text": (
        9, ("bc",), [Output([1]), Output([2]), Output([3, 4]), Output([5])], [("a", 1, None), ("", 1, None), ("", 1, "stop")],
    ),
    "start of a stop text": (9, ("bc",), [Output([2, 0], None, "stop")], [("", 1, None), ("b", 0, "stop")]),
    "half a character": (9, (), [Output([195]), Output([169])], [("", 1, None), ("é", 1, None)]),
    "half a character at the end": (9, (), [Output([195, 0], None, "stop")], [("", 1, None), ("\ufffd", 0, "stop")]),
}  # fmt: skip
"""Maximum number of tokens, stop texts, outputs of vLLM; text, tokens and finish reason of the pieces."""


@pytest.mark.parametrize("case", TEXTS)
def test_outputs_become_pieces(case: str) -> None:
    most, stop, outputs, expected = TEXTS[case]
    found = pieces(GenerationRequest(max_new_tokens=most, stop=stop), *outputs)
    assert [(piece.text, piece.tokens, piece.finish_reason) for piece in found] == expected
    assert {piece.index for piece in found} == {2}


@pytest.mark.parametrize("reason", ["abort", "error", "repetition"])
def test_an_answer_that_vllm_ends_is_not_complete(reason: str) -> None:
    with pytest.raises(ModelFailed, match=reason):
        pieces(GenerationRequest(max_new_tokens=9), Output([1]), Output([], None, reason))


def test_probabilities_are_ordered_by_rank_and_the_chosen_token_is_added_only_if_it_ranks() -> None:
    position = {5: Logprob(-4.0, 9), 2: Logprob(-1.5, 2), 1: Logprob(-0.5, 1)}
    (piece,) = pieces(GenerationRequest(max_new_tokens=9, logprobs=2), Output([5], [position]))
    (known,) = piece.logprobs
    assert (known.text, known.data, known.logprob) == ("e", b"e", -4.0)
    assert known.top == (("a", b"a", -0.5), ("b", b"b", -1.5))
    (piece,) = pieces(GenerationRequest(max_new_tokens=9, logprobs=0), Output([1], [{1: Logprob(-0.5, 1)}]))
    assert piece.logprobs[0].logprob == -0.5 and piece.logprobs[0].top == ()


PROCESS = """
import logging, time
import datajob.operators.inference._engines.vllm_process
try:
    raise ValueError("the weights are damaged")
except ValueError:
    logging.getLogger("vllm.core").exception("failed")
    logging.getLogger("vllm.core").error("later")
print("ready", flush=True)
time.sleep(600)
"""


def test_a_process_of_vllm_ends_with_the_killed_server_and_states_why_it_fails(tmp_path: Any) -> None:
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    environment = {SERVER: str(server.pid), FAILURE: str(tmp_path / "failure"), "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        assert (tmp_path / "failure").read_text() == "ValueError: the weights are damaged"
        assert process.poll() is None
        server.kill()  # remains as a zombie until it is waited for
        assert process.wait(120) == 1
    finally:
        for each in (server, process):
            each.kill()
            each.wait()
        assert process.stdout is not None
        process.stdout.close()
