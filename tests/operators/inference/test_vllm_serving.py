"""vLLM behind the application of a service, on the CPU, with the official client: `make test-vllm` (own environment)."""

from __future__ import annotations

import base64
import json
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

from datajob.operators.inference._engines.serving import GenerationRequest, Message
from datajob.operators.inference.text_generation import TextGeneration
from datajob.operators.inference.vision_language import VisionLanguage
from tests.operators.inference.conftest import Ask
from tests.support.models.photos import jpeg
from tests.support.serving import PATIENCE, Running
from tests.support.vllm_services import ask_client, engine_of, said, served_by_vllm, until

pytest.importorskip("vllm", reason="needs vLLM, in an environment of its own: make test-vllm")

SEED = 20_261_127
TOKENS = 12
WORDS = ["def", "for", "in", "range", "import", "numpy", "return", "class", "value", "of", "the", "list"]
PROMPTS = ["a", "the quick brown fox", "statements and expressions " * 20, "狐狸"]


@pytest.fixture(scope="module")
def text(llama: Path) -> Iterator[Running]:
    """A language model."""
    with served_by_vllm(textGeneration={"model": str(llama), "engine": "vllm", "maxNewTokens": TOKENS}) as found:
        yield found


@pytest.fixture(scope="module")
def images(tiny: Path) -> Iterator[Running]:
    """A vision-language model."""
    with served_by_vllm(visionLanguage={"model": str(tiny), "engine": "vllm", "maxNewTokens": TOKENS}) as found:
        yield found


def test_concurrent_greedy_answers_equal_those_of_the_offline_step(text: Running, llama: Path, ask: Ask) -> None:
    chance = random.Random(SEED)
    prompts = PROMPTS + [" ".join(chance.choices(WORDS, k=chance.randint(1, 60))) for _ in range(28)]
    step = TextGeneration(model=str(llama), prompt="{text}", max_new_tokens=TOKENS)
    expected, _ = ask(step, [{"text": prompt} for prompt in prompts])
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda prompt: said(ask_client(text, prompt)), prompts))
    assert found == [row["answer"] for row in expected]
    assert text.service.engine is not None and text.service.engine.running == 0
    assert "vllm" in text.service.engine.description and text.service.engine.revision == "local"


def test_tokens_are_streamed_one_by_one_and_counted(text: Running) -> None:
    whole = ask_client(text, "for in")
    chunks = list(ask_client(text, "for in", stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == said(whole)
    assert sum(map(bool, texts)) > TOKENS // 2
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens == TOKENS and whole.choices[0].finish_reason == "length"


def test_an_answer_ends_before_a_stop_text_across_tokens(text: Running) -> None:
    whole = said(ask_client(text, "for in"))
    for begin in range(1, len(whole) - 3):
        stop = whole[begin : begin + 3]
        found = ask_client(text, "for in", stop=[stop, "never"], n=2)
        assert said(found) == said(found, 1) == whole[: whole.find(stop)]
        assert [choice.finish_reason for choice in found.choices] == ["stop", "stop"]
    until(lambda: engine_of(text).get_num_unfinished_requests() == 0)


def test_sampled_answers_have_seeds_of_their_own_and_are_reproducible(text: Running) -> None:
    how = {"temperature": 1.5, "top_p": 0.9, "n": 3}
    first, again, other = (ask_client(text, "for", seed=seed, **how) for seed in (1, 1, 2))
    texts = [said(first, index) for index in range(3)]
    assert texts == [said(again, index) for index in range(3)]
    assert len({*texts, said(other)}) == 4


def test_log_probabilities_are_those_of_the_model(text: Running) -> None:
    found = ask_client(text, "for", logprobs=True, top_logprobs=3, temperature=1.0, seed=3, frequency_penalty=1.0)
    tokens = found.choices[0].logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace") == said(found)
    for token in tokens:
        ranked = [top.logprob for top in token.top_logprobs]
        assert ranked == sorted(ranked, reverse=True) and len(ranked) == 3 and token.logprob <= ranked[0] < 0
    assert ask_client(text, "for", logprobs=True).choices[0].logprobs.content[0].top_logprobs == []


def test_penalties_prevent_repetition(text: Running) -> None:
    def distinct(**penalties: float) -> int:
        reply = ask_client(text, "for", max_tokens=60, logprobs=True, **penalties)
        return len({token.token for token in reply.choices[0].logprobs.content})

    assert distinct(presence_penalty=2.0, frequency_penalty=2.0) > distinct()


def test_answers_match_a_schema(text: Running) -> None:
    from pydantic import BaseModel, Field

    class Animal(BaseModel):
        name: str = Field(max_length=8)
        legs: int = Field(ge=0, le=9)
        tags: list[Literal["wild", "tame"]] = Field(max_length=2)

    options = {"model": "tiny", "messages": [{"role": "user", "content": "an animal"}], "temperature": 1.0, "n": 4}
    reply = text.client().chat.completions.parse(response_format=Animal, max_tokens=400, **options)
    assert all(isinstance(choice.message.parsed, Animal) for choice in reply.choices)
    objects = ask_client(text, "an animal", response_format={"type": "json_object"}, max_tokens=600, temperature=1.0, n=4)
    for choice in objects.choices:
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content), dict)
        assert choice.message.content.startswith("{") and "\n" not in choice.message.content


def test_a_schema_without_support_is_refused(text: Running) -> None:
    from openai import BadRequestError

    schema = {"type": "array", "uniqueItems": True}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    with pytest.raises(BadRequestError, match="uniqueItems"):
        ask_client(text, "a", response_format=form)
    assert said(ask_client(text, "a"))


def test_a_prompt_beyond_the_model_is_refused_with_its_code(text: Running) -> None:
    from openai import BadRequestError

    for prompt, options in (("word " * 10_000, {}), ("a", {"max_tokens": 8192})):
        with pytest.raises(BadRequestError) as refused:
            ask_client(text, prompt, **options)
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
    assert said(ask_client(text, "a"))


def test_prompts_of_completions_are_texts_or_tokens(text: Running, llama: Path) -> None:
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(llama)("for in range", add_special_tokens=False)["input_ids"]
    found = text.client().completions.create(model="tiny", prompt=["for in range", "a"], max_tokens=8)
    again = text.client().completions.create(model="tiny", prompt=tokens, max_tokens=8)
    assert found.choices[0].text == again.choices[0].text != found.choices[1].text


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_go_away_free_their_rows(text: Running, stream: bool) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "for"}], "max_tokens": 4000, "n": 2, "stream": stream}
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    connections = [socket.create_connection(("127.0.0.1", text.port), PATIENCE) for _ in range(4)]
    for connection in connections:
        connection.sendall(head + data)
    until(lambda: engine_of(text).get_num_unfinished_requests() == 8)
    for connection in connections:
        connection.close()
    until(lambda: engine_of(text).get_num_unfinished_requests() == 0 and text.service.admission.in_progress == 0)
    assert text.service.engine is not None and text.service.engine.running == 0
    assert said(ask_client(text, "a"))


def parts(*photos: bytes, prompt: str = "what") -> list[dict[str, Any]]:
    """A conversation about images."""
    urls = [f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}" for photo in photos]
    content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}]


def test_answers_about_images_equal_those_of_the_offline_step(images: Running, tiny: Path, ask: Ask) -> None:
    rows = [{"image": [jpeg(j) for j in range(i, i + 1 + i % 3)]} for i in range(8)]
    expected, _ = ask(VisionLanguage(model=str(tiny), prompt="what", max_new_tokens=TOKENS), rows)
    client = images.client()

    def one(row: dict[str, Any]) -> Any:
        return client.chat.completions.create(model="tiny", messages=parts(*row["image"]))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, rows))
    assert [said(reply) for reply in found] == [row["answer"] for row in expected]
    assert len({said(reply) for reply in found}) > 4
    for row, reply in zip(rows, found, strict=True):
        photos = tuple(row["image"])
        request = GenerationRequest((Message("user", (*[None] * len(photos), "what")),), images=photos)
        assert images.service.engine is not None and images.service.engine.measure(request) == reply.usage.prompt_tokens


def test_an_image_that_cannot_be_used_costs_only_its_request(images: Running) -> None:
    from openai import BadRequestError

    client = images.client()
    for photos, code in (((jpeg(1)[:-200],), "invalid_image"), ((jpeg(1),) * 8, "context_length_exceeded")):
        with pytest.raises(BadRequestError) as refused:
            client.chat.completions.create(model="tiny", messages=parts(*photos), max_tokens=7900)
        assert refused.value.code == code, str(refused.value)
    assert said(client.chat.completions.create(model="tiny", messages=parts(jpeg(1))))
