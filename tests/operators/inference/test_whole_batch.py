"""Models whose rows cannot join a batch send their tokens one by one, and answer as in the offline step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Options, Request, Settings
from datajob.operators.inference._engines.serving import GenerationRequest, Message, Piece
from tests.support.vllm_services import until

SEED = 20_261_127
WORDS = ["def", "for", "in", "range", "import", "numpy", "return", "class"]


@pytest.fixture(scope="module")
def engine(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A model whose layers attend to the last 8 tokens, with the tokenizer of the other tests."""
    import torch
    from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

    from datajob.operators.inference._engines.choosing import start_serving

    folder = tmp_path_factory.mktemp("sliding")
    tokenizer = AutoTokenizer.from_pretrained(llama)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    config = MistralConfig(vocab_size=len(tokenizer), num_key_value_heads=1, sliding_window=8, **ids, **sizes)
    MistralForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    found = start_serving(Settings("text", str(folder), batch_rows=4), Device("cpu", 1))
    assert "continuous" not in found.description
    yield found
    found.close()


def chat(words: list[str], **options: Any) -> GenerationRequest:
    """A conversation of one message."""
    return GenerationRequest(messages=(Message("user", (" ".join(words),)),), **options)


async def pieces_of(engine: Any, request: GenerationRequest) -> list[Piece]:
    """All pieces of a request."""
    return [piece async for piece in engine.generate(request)]


def texts_of(pieces: list[Piece], n: int) -> list[str]:
    """The texts of the answers."""
    return ["".join(p.text for p in pieces if p.index == index and p.usage is None) for index in range(n)]


def offline(engine: Any, request: GenerationRequest, index: int = 0) -> Any:
    """The answer of the offline step for a request alone."""
    options = Options(request.max_new_tokens, request.temperature, request.top_p, request.top_k)
    row = Request("", options, (), request.seed + index, messages=request.messages)
    inputs, _ = engine._generator.prepare([row])
    return engine._generator.answer([row], inputs)[0]


def test_answers_equal_those_of_the_offline_step(engine: Any) -> None:
    chance = random.Random(SEED)
    requests = [
        chat(
            chance.choices(WORDS, k=chance.randint(1, 30)),
            max_new_tokens=chance.randint(1, 20),
            temperature=chance.choice([0.0, 0.9]),
            top_p=chance.choice([1.0, 0.8]),
            seed=i,
            n=chance.choice([1, 1, 2]),
        )
        for i in range(16)
    ]

    async def all_of_them() -> list[list[Piece]]:
        return await asyncio.gather(*(pieces_of(engine, r) for r in requests))

    for request, pieces in zip(requests, asyncio.run(all_of_them()), strict=True):
        expected = [offline(engine, request, index) for index in range(request.n)]
        assert texts_of(pieces, request.n) == [one.text for one in expected]
        assert pieces[-1].usage is not None and pieces[-1].usage[1] == sum(one.tokens for one in expected)
        assert sorted(p.finish_reason for p in pieces if p.finish_reason) == sorted(one.finish_reason for one in expected)
    until(lambda: engine.running == 0)  # the last answer arrives before its row is removed


def test_tokens_arrive_while_the_batch_runs_and_canceled_ones_end_it(engine: Any) -> None:
    async def leave() -> int:
        answers = engine.generate(chat(["for"], max_new_tokens=4_000, n=3, temperature=1.0))
        for _ in range(9):
            assert (await anext(answers)).tokens == 1
        running: int = engine.running
        await answers.aclose()
        request = chat(["in"], max_new_tokens=3)
        assert texts_of(await asyncio.wait_for(pieces_of(engine, request), 300), 1) == [offline(engine, request).text]
        return running

    assert asyncio.run(leave()) == 3


def test_an_answer_that_ends_at_a_stop_text_does_not_change_the_others(engine: Any) -> None:
    longer, shorter = chat(["for", "in"], max_new_tokens=24), chat(["class"], max_new_tokens=24)
    text = offline(engine, shorter).text
    stopped = chat(["class"], max_new_tokens=24, stop=(text[4:8],))

    async def both() -> list[list[Piece]]:
        return await asyncio.gather(pieces_of(engine, longer), pieces_of(engine, stopped))

    first, second = asyncio.run(both())
    assert texts_of(first, 1) == [offline(engine, longer).text]
    assert texts_of(second, 1) == [text[: text.find(text[4:8])]]
    assert [p.finish_reason for p in second if p.finish_reason] == ["stop"]
