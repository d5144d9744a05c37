"""Clients that come and go, short memory and invalid numbers: only the answers concerned fail, and nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import OutOfMemory, RequestError, Settings
from tests.operators.inference.test_continuous import chat, offline, pieces_of, text_of
from tests.support.vllm_services import until

SEED = 20_261_127
WORDS = ["def", "for", "in", "range", "import", "numpy", "return", "class"]


@pytest.fixture
def engine(llama: Path) -> Iterator[Any]:
    """A language model that serves 8 answers at a time."""
    from datajob.operators.inference._engines.choosing import start_serving

    found = start_serving(Settings("text", str(llama), batch_rows=8), Device("cpu", 1))
    yield found
    found.close()


def test_answers_of_200_clients_that_come_and_go_are_those_alone(engine: Any) -> None:
    print("seed", SEED)
    chance = random.Random(SEED)
    requests = [
        chat(
            chance.choices(WORDS, k=chance.randint(1, 12)),
            max_new_tokens=chance.randint(1, 12),
            temperature=chance.choice([0, 1]),
        )
        for _ in range(200)
    ]
    stays = [chance.random() < 0.3 for _ in requests]
    most = [chance.randint(0, 4) for _ in requests]
    delays = [chance.random() for _ in requests]

    async def client(i: int) -> str | None:
        await asyncio.sleep(delays[i])
        if stays[i]:
            return text_of(await pieces_of(engine, requests[i]))
        answer = engine.generate(requests[i])
        for _ in range(most[i]):
            if await anext(answer, None) is None:
                break
        await answer.aclose()
        return None

    async def all_of_them() -> tuple[list[str | None], str]:
        found = await asyncio.gather(*(client(i) for i in range(len(requests))))
        last = text_of(await pieces_of(engine, requests[0]))  # rows of clients that left are removed before it
        return found, last

    found, last = asyncio.run(all_of_them())
    kept = [i for i, stay in enumerate(stays) if stay]
    for i in kept[:12]:
        assert found[i] == offline(engine, requests[i]).text
    assert all(found[i] is not None for i in kept)
    assert last == offline(engine, requests[0]).text
    until(lambda: engine.running == 0)  # the last answer arrives before its row is removed
    assert not engine._open and not engine._waiting and not engine._prepared and not engine._joining


def test_the_slots_are_halved_if_prompts_do_not_fit_into_memory(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    join, failures = engine._batch.join, []

    def short(answers: Any, inputs: Any) -> None:
        if len(answers) > 1 or len(engine._batch.answers) > 2:
            failures.append(len(answers))
            raise OutOfMemory("made by the test")
        join(answers, inputs)

    monkeypatch.setattr(engine._batch, "join", short)
    requests = [chat([word] * 3, max_new_tokens=6) for word in WORDS]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(pieces_of(engine, r) for r in requests), return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert failures
    assert engine.slots < 8
    for request, pieces in zip(requests, found, strict=True):
        if isinstance(pieces, RequestError):
            assert "made by the test" in str(pieces)
        else:
            assert text_of(pieces) == offline(engine, request).text
    assert any(not isinstance(pieces, RequestError) for pieces in found)


def test_an_answer_whose_scores_are_not_numbers_fails_alone(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines import running_batch

    choose = running_batch.choose_tokens

    def damaged(answers: Any, logits: Any, scores: Any, generator: Any) -> Any:
        scores = scores.clone()
        for i, answer in enumerate(answers):
            if "import" in str(answer.row.messages) and answer.started:
                scores[i] = float("nan")
        return choose(answers, logits, scores, generator)

    monkeypatch.setattr(running_batch, "choose_tokens", damaged)
    requests = [chat([word], max_new_tokens=6) for word in ("for", "import", "class")]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(pieces_of(engine, r) for r in requests), return_exceptions=True)

    first, bad, last = asyncio.run(all_of_them())
    assert isinstance(bad, RequestError) and "NaN" in str(bad)
    assert text_of(first) == offline(engine, requests[0]).text
    assert text_of(last) == offline(engine, requests[2]).text
    engine.check_health()


def test_a_prompt_of_the_maximum_length_is_answered(engine: Any) -> None:
    longest = engine.max_model_len
    words = ["for"] * (longest // 2)
    spare = longest - engine.measure(chat(words))
    request = chat(words, max_new_tokens=min(spare, 4))
    assert text_of(asyncio.run(pieces_of(engine, request))) == offline(engine, request).text
    with pytest.raises(RequestError, match="the model supports"):
        asyncio.run(pieces_of(engine, chat(words, max_new_tokens=spare + 1)))


def test_a_stop_text_can_end_within_a_character_of_several_tokens(engine: Any) -> None:
    request = chat(["for"], max_new_tokens=40, temperature=1.0, seed=11)
    whole = offline(engine, request).text
    for stop in {whole[i : i + 2] for i in range(0, len(whole) - 2, 20)} | {"\ufffd", "日本"}:
        asked = chat(["for"], max_new_tokens=40, temperature=1.0, seed=11, stop=(stop,))
        expected = whole[: whole.find(stop)] if stop in whole else whole
        assert text_of(asyncio.run(pieces_of(engine, asked))) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_that_leave_are_replaced_by_the_last_ones(seed: int) -> None:
    pytest.importorskip("torch")
    from datajob.operators.inference._engines.running_batch import without_gaps

    kept = sorted(random.Random(seed).sample(range(20), 7))
    order = without_gaps(kept)
    assert sorted(order) == kept
    assert all(row in (place, *range(len(kept), 20)) for place, row in enumerate(order))
