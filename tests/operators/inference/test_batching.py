"""How batches are made: by length, within a budget, halved when they do not fit; and who hears of what goes wrong."""

import math
import platform
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.errors import WorkerDied
from datajob.operators.inference._engines.base import Answer, Options, OutOfMemory, Request, RequestError
from datajob.operators.inference._engines.batching import FIRST_ROWS, Backend, Batcher, Limits, Waiting, choose

OPTIONS = Options()
WAIT = 200.0


NUMBERS: dict[str, Answer | RequestError] = {
    "finite": Answer("finite", vector=np.ones(2, np.float32)),
    "nan": Answer(vector=np.array([1, np.nan], np.float32)),
    "infinite": Answer(vector=np.array([np.inf, 1], np.float16)),
    "silence": Answer(no_speech=math.nan),
    "language": Answer(language_probability=math.nan),
    "refused": RequestError("no token"),
}
"""Answers of these prompts."""


class Upper(Backend):
    """Answers in capitals; remembers its batches; fails as its prompts say."""

    description = "upper"

    def __init__(self, rows: int = 8, tokens: int = 1000, fits: int = 1000) -> None:
        self.limits = Limits(tokens, rows)
        self.fits = fits
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()

    def length(self, request: Request) -> int:
        if not request.prompt:
            raise RequestError("empty")
        return len(request.prompt)

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        if any(r.prompt.startswith("crash") for r in requests):
            raise ValueError("unforeseen")
        return None, {i: RequestError("broken") for i, r in enumerate(requests) if r.prompt.startswith("broken")}

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer | RequestError]:
        assert self.gate.wait(WAIT)
        prompts = [r.prompt for r in requests]
        self.batches.append(prompts)
        if len(prompts) > self.fits or "huge" in prompts:
            raise OutOfMemory("no room")
        if "bad" in prompts:
            raise RuntimeError("cannot")
        return [NUMBERS.get(p, Answer(p.upper())) for p in prompts]


def ask(engine: Batcher, prompts: Sequence[str]) -> list[str]:
    found = []
    for future in engine.submit([Request(p, OPTIONS) for p in prompts]):
        try:
            found.append(future.result(WAIT).text)
        except RequestError as error:
            found.append(f"! {error}")
    return found


def test_every_request_gets_its_own_answer_in_batches_of_like_length() -> None:
    backend = Upper(rows=4)
    backend.gate.clear()
    engine = Batcher(backend)
    first = engine.submit([Request("x", OPTIONS)])  # two batches are taken before the pool is full
    prompts = ["a" * n for n in (9, 1, 8, 2, 9, 1, 8, 2, 9, 1, 8, 2)]
    futures = engine.submit([Request(p, OPTIONS) for p in prompts])
    backend.gate.set()
    assert [f.result(WAIT).text for f in futures] == [p.upper() for p in prompts]
    assert first[0].result(WAIT).text == "X"
    spread = [max(map(len, b)) - min(map(len, b)) for b in backend.batches]
    assert sum(s <= 1 for s in spread) >= len(spread) - 1
    engine.close()


def test_rows_at_fault_fail_alone_and_the_rest_is_answered_in_one_batch() -> None:
    backend = Upper()
    assert ask(Batcher(backend), ["a", "", "broken", "b", "c"]) == ["A", "! empty", "! broken", "B", "C"]
    assert sorted(map(sorted, backend.batches)) == [["a", "b", "c"]]


def test_a_batch_that_does_not_fit_is_halved_and_so_are_all_later_ones() -> None:
    backend = Upper(rows=8, fits=2)
    engine = Batcher(backend)
    prompts = [f"p{i:02}" for i in range(32)]
    assert ask(engine, prompts) == [p.upper() for p in prompts]
    assert backend.limits.rows <= 2
    before = len(backend.batches)
    assert ask(engine, prompts) == [p.upper() for p in prompts]
    assert all(len(b) <= 2 for b in backend.batches[before:])


def test_a_row_that_does_not_fit_alone_or_makes_the_model_fail_is_found() -> None:
    found = ask(Batcher(Upper()), ["a", "huge", "b", "bad", "crash", "c"])
    assert found[0::2][:2] == ["A", "B"] and found[5] == "C"
    assert found[1].startswith("! the row does not fit into the memory")
    assert found[3] == "! RuntimeError: cannot"
    assert found[4] == "! ValueError: unforeseen"


def test_an_answer_that_is_not_finite_fails_its_row_alone() -> None:
    backend = Upper()
    found = ask(Batcher(backend), ["a", *NUMBERS])
    assert found[:2] == ["A", "finite"] and found[-1] == "! no token"
    assert all("the model computed NaN or infinity" in text for text in found[2:-1])
    assert len(backend.batches) == 1


def test_after_closing_nobody_waits_for_ever() -> None:
    backend = Upper(rows=1)
    backend.gate.clear()
    engine = Batcher(backend)
    futures = engine.submit([Request(f"p{i}", OPTIONS) for i in range(20)])
    engine.close()
    backend.gate.set()
    outcomes = [f.exception(WAIT) for f in futures]
    assert isinstance(outcomes[-1], RuntimeError)
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit([Request("x", OPTIONS)])


@given(
    st.lists(st.tuples(st.integers(1, 500), st.booleans()), min_size=1, max_size=60), st.integers(1, 16), st.integers(1, 4000)
)
def test_a_choice_holds_the_oldest_request_one_kind_of_options_and_the_limits(
    lengths: list[tuple[int, bool]], rows: int, tokens: int
) -> None:
    pool = [Waiting(Request("p", Options(top_k=int(odd))), length) for length, odd in lengths]
    chosen = choose(pool, Limits(tokens, rows))
    assert pool[0] in chosen
    assert len({w.request.options for w in chosen}) == 1
    assert len(chosen) <= rows
    assert len(chosen) == 1 or max(w.length for w in chosen) * len(chosen) <= tokens
    assert [w.length for w in chosen] == sorted(w.length for w in chosen)


def test_rows_are_not_blamed_for_a_decoding_process_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(_: Sequence[Request]) -> Any:
        raise WorkerDied("The process that decodes media cannot start.")

    backend = Upper()
    monkeypatch.setattr(backend, "prepare", prepare)
    for future in Batcher(backend).submit([Request(p, OPTIONS) for p in "abc"]):
        with pytest.raises(WorkerDied):
            future.result(WAIT)


def test_the_first_batch_has_the_oldest_rows() -> None:
    backend = Upper(rows=32)
    prompts = ["a" * (1 + n % 12) for n in range(24)]
    assert ask(Batcher(backend), prompts) == [p.upper() for p in prompts]
    assert sorted(backend.batches[0]) == sorted(prompts[:FIRST_ROWS])
    assert len(backend.batches) == 2


FAULTS = """
import resource, threading
import numpy as np
from datajob.operators.inference._engines.memory import reuse_freed_memory

def allocate():
    for number in range(22):
        if number == 2:
            begun.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
        for size in (30, 60):
            np.empty(size << 20, np.uint8)[:] = 1

begun = []
reuse_freed_memory()
thread = threading.Thread(target=allocate)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other parameters")
def test_memory_of_freed_tensors_is_used_again() -> None:
    found = subprocess.run([sys.executable, "-c", FAULTS], stdout=subprocess.PIPE, check=True, timeout=WAIT)
    assert int(found.stdout) < 1_000  # ten thousand without it
