"""Answers that join and leave a running batch are those of the offline step."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Options, Request, RequestError, Settings
from datajob.operators.inference._engines.serving import GenerationRequest, Message, ModelFailed, Piece
from tests.support.vllm_services import until

WORDS = ["def", "for", "in", "range", "import", "numpy", "return", "class", "value", "of", "the", "list"]
SEED = 20_261_127
MOST_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def text_engine(llama: Path) -> Iterator[Any]:
    """A language model that serves 4 answers at a time."""
    from datajob.operators.inference._engines.choosing import start_serving

    engine = start_serving(Settings("text", str(llama), batch_rows=4), Device("cpu", 1))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def image_engine(tiny: Path) -> Iterator[Any]:
    """A vision-language model that serves 4 answers at a time."""
    from datajob.operators.inference._engines.choosing import start_serving

    engine = start_serving(Settings("vision", str(tiny), batch_rows=4), Device("cpu", 1), MOST_PIXELS)
    yield engine
    engine.close()


def chat(words: list[str], **options: Any) -> GenerationRequest:
    """A conversation of one message."""
    images = len(options.get("images", ()))
    return GenerationRequest(messages=(Message("user", (*[None] * images, " ".join(words))),), **options)


async def pieces_of(engine: Any, request: GenerationRequest, delay: float = 0.0) -> list[Piece]:
    """All pieces of a request that begins after a delay."""
    await asyncio.sleep(delay)
    return [piece async for piece in engine.generate(request)]


def text_of(pieces: list[Piece], index: int = 0) -> str:
    """The text of an answer."""
    return "".join(piece.text for piece in pieces if piece.index == index and piece.usage is None)


def offline(engine: Any, request: GenerationRequest, index: int = 0) -> Any:
    """The answer that the batch of the offline step has for a request alone."""
    generator = engine._generator
    o = Options(request.max_new_tokens, request.temperature, request.top_p, request.top_k, max_pixels=MOST_PIXELS)
    row = Request("", o, request.images, request.seed + index, messages=request.messages)
    inputs, errors = generator.prepare([row])
    assert not errors
    return generator.answer([row], inputs)[0]


def test_answers_that_join_at_any_time_equal_those_of_the_offline_step(text_engine: Any) -> None:
    generator = random.Random(SEED)
    requests = [
        chat(
            generator.choices(WORDS, k=generator.randint(1, 60)),
            max_new_tokens=generator.randint(1, 24),
            temperature=generator.choice([0.0, 0.0, 0.9]),
            top_p=generator.choice([1.0, 0.8]),
            seed=generator.randint(0, 1000),
        )
        for _ in range(24)
    ]

    async def all_of_them() -> list[list[Piece]]:
        return await asyncio.gather(*(pieces_of(text_engine, r, generator.random() / 5) for r in requests))

    for request, pieces in zip(requests, asyncio.run(all_of_them()), strict=True):
        expected = offline(text_engine, request)
        assert text_of(pieces) == expected.text
        assert pieces[-1].usage is not None and pieces[-1].usage[1] == expected.tokens
        assert [p.finish_reason for p in pieces if p.finish_reason] == [expected.finish_reason]
    until(lambda: text_engine.running == 0)  # the last answer arrives before its row is removed


def test_answers_about_images_that_join_equal_those_of_the_offline_step(image_engine: Any) -> None:
    from tests.support.pictures import photo_bytes

    photo, other = photo_bytes("china"), photo_bytes("flower")
    images = [(photo,), (), (other,), (photo, other), (other,), ()]
    requests = [chat(WORDS[: i + 1], images=some, max_new_tokens=4 + 3 * i) for i, some in enumerate(images)]

    async def all_of_them() -> list[list[Piece]]:
        return await asyncio.gather(*(pieces_of(image_engine, r, 0.05 * i) for i, r in enumerate(requests)))

    for request, pieces in zip(requests, asyncio.run(all_of_them()), strict=True):
        assert text_of(pieces) == offline(image_engine, request).text


def test_tokens_are_sent_one_by_one(text_engine: Any) -> None:
    pieces = asyncio.run(pieces_of(text_engine, chat(["for"], max_new_tokens=8)))
    assert sum(piece.tokens for piece in pieces) == sum(piece.tokens == 1 for piece in pieces) > 4


def test_several_answers_have_seeds_of_their_own(text_engine: Any) -> None:
    request = chat(["for"], max_new_tokens=8, temperature=1.0, n=3, seed=5)
    pieces = asyncio.run(pieces_of(text_engine, request))
    texts = [text_of(pieces, index) for index in range(3)]
    assert texts == [offline(text_engine, request, index).text for index in range(3)]
    assert len(set(texts)) == 3


def test_an_answer_ends_before_a_stop_text_across_tokens(text_engine: Any) -> None:
    whole = offline(text_engine, chat(["for", "in"], max_new_tokens=16)).text
    for begin in range(1, len(whole) - 3):
        stop = whole[begin : begin + 3]
        pieces = asyncio.run(pieces_of(text_engine, chat(["for", "in"], max_new_tokens=16, stop=(stop, "\0never"))))
        assert text_of(pieces) == whole[: whole.find(stop)]
        assert [p.finish_reason for p in pieces if p.finish_reason] == ["stop"]


def test_log_probabilities_are_those_of_the_model(text_engine: Any) -> None:
    pieces = asyncio.run(pieces_of(text_engine, chat(["for"], max_new_tokens=6, logprobs=3)))
    found = [one for piece in pieces for one in piece.logprobs]
    assert b"".join(one.data for one in found).decode(errors="replace") == text_of(pieces)
    for one in found:
        assert one.logprob == max(p for _, _, p in one.top) < 0
        assert len(one.top) == 3


def test_penalties_prevent_repetition(text_engine: Any) -> None:
    request = chat(["for"], max_new_tokens=24, presence_penalty=2.0, frequency_penalty=2.0, logprobs=0)
    found = [one.data for piece in asyncio.run(pieces_of(text_engine, request)) for one in piece.logprobs]
    plain = chat(["for"], max_new_tokens=24, logprobs=0)
    repeated = [one.data for piece in asyncio.run(pieces_of(text_engine, plain)) for one in piece.logprobs]
    assert len(set(found)) > len(set(repeated))


def test_a_client_that_leaves_frees_its_row_within_a_step(text_engine: Any) -> None:
    async def leave() -> tuple[int, str]:
        gone = [text_engine.generate(chat(WORDS, max_new_tokens=400)) for _ in range(4)]
        for one in gone:
            await anext(one)
        last = asyncio.ensure_future(pieces_of(text_engine, chat(["for"], max_new_tokens=2)))
        await asyncio.sleep(0)
        for one in gone:
            await one.aclose()
        pieces = await last
        return text_engine.running, text_of(pieces)

    running, text = asyncio.run(leave())
    assert running <= 1
    assert text == offline(text_engine, chat(["for"], max_new_tokens=2)).text


def test_a_request_that_cannot_be_prepared_does_not_harm_the_others(image_engine: Any) -> None:
    bad = chat(["what"], images=(b"\xff\xd8\xffnot an image",), max_new_tokens=4)
    good = chat(["what"], max_new_tokens=4)

    async def both() -> list[Any]:
        requests = [good, bad, good]
        return await asyncio.gather(*(pieces_of(image_engine, r) for r in requests), return_exceptions=True)

    first, failed, second = asyncio.run(both())
    assert isinstance(failed, RequestError)
    assert text_of(first) == text_of(second) == offline(image_engine, good).text


def test_a_group_whose_prompts_fail_together_is_repeated_one_by_one(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines.choosing import start_serving

    engine: Any = start_serving(Settings("text", str(llama), batch_rows=4), Device("cpu", 1))
    join = engine._batch.join

    def fails_together(answers: Any, inputs: Any) -> None:
        if len(answers) > 1 or "fatal" in str(answers[0].row.messages):
            raise RuntimeError("made by the test")
        join(answers, inputs)

    monkeypatch.setattr(engine._batch, "join", fails_together)
    requests = [chat([word], max_new_tokens=3) for word in ("for", "fatal", "in", "range")]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(pieces_of(engine, r) for r in requests), return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert isinstance(found[1], RequestError)
    assert [text_of(found[i]) for i in (0, 2, 3)] == [offline(engine, requests[i]).text for i in (0, 2, 3)]
    engine.close()


def test_a_model_that_fails_ends_all_answers_and_the_health(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines.choosing import start_serving

    engine: Any = start_serving(Settings("text", str(llama), batch_rows=2), Device("cpu", 1))

    def fails() -> None:
        raise RuntimeError("device lost")

    monkeypatch.setattr(engine._batch, "step", fails)

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(pieces_of(engine, chat(["for"], max_new_tokens=9)) for _ in range(3)), return_exceptions=True
        )

    assert all(isinstance(one, ModelFailed) and "device lost" in str(one) for one in asyncio.run(all_of_them()))
    with pytest.raises(ModelFailed):
        engine.check_health()


def test_the_text_of_tokens_one_by_one_is_that_of_all_together(llama: Path) -> None:
    from transformers import AutoTokenizer

    from datajob.operators.inference._engines.detokenizing import Detokenizer, token_bytes

    tokenizer = AutoTokenizer.from_pretrained(llama)
    chance = random.Random(SEED)
    texts = ["naïve façade — 日本語テキスト 🎉👩‍👩‍👧‍👦 e\u0301", "  spaces \n\n\ttabs ", "\ufffd", ""]
    cases = [tokenizer(text)["input_ids"] for text in texts]
    cases += [[chance.randrange(len(tokenizer)) for _ in range(chance.randint(1, 30))] for _ in range(300)]
    for ids in cases:
        one = Detokenizer(tokenizer)
        pieces = [one.push(token) for token in ids]
        assert "".join([*pieces, one.rest()]) == tokenizer.decode(ids, skip_special_tokens=True)
        kept = [token for token in ids if token not in tokenizer.all_special_ids]
        assert b"".join(token_bytes(tokenizer, token) for token in kept).decode(errors="replace") == tokenizer.decode(kept)


def test_closing_ends_answers_in_progress(llama: Path) -> None:
    from datajob.operators.inference._engines.choosing import start_serving

    engine = start_serving(Settings("text", str(llama), batch_rows=2), Device("cpu", 1))

    async def close() -> None:
        answer = engine.generate(chat(["for"], max_new_tokens=900))
        await anext(answer)
        engine.close()
        with pytest.raises(ModelFailed):
            while True:
                await anext(answer)

    asyncio.run(close())


def test_closing_ends_answers_whose_prompts_are_being_prepared(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines.choosing import start_serving

    engine: Any = start_serving(Settings("text", str(llama), batch_rows=2), Device("cpu", 1))
    preparing, closed = threading.Event(), threading.Event()
    prepare = engine._generator.prepare

    def waits(requests: Any) -> Any:
        preparing.set()
        assert closed.wait(300)
        return prepare(requests)

    monkeypatch.setattr(engine._generator, "prepare", waits)

    async def close() -> None:
        answer = asyncio.ensure_future(pieces_of(engine, chat(["for"], max_new_tokens=4)))
        assert await asyncio.to_thread(preparing.wait, 300)
        closing = asyncio.ensure_future(asyncio.to_thread(engine.close))
        with pytest.raises(ModelFailed):
            await asyncio.wait_for(answer, 300)
        closed.set()
        await closing

    asyncio.run(close())
