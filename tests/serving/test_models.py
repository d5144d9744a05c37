"""Real models behind the application: greedy answers are those of the offline step."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.api.service.spec import ModelServiceSpec
from datajob.operators.base import Device
from datajob.serving.assembly import assemble, load_engine
from datajob.serving.metrics import PrometheusMeter
from tests.operators.inference.conftest import Ask, ask  # noqa: F401
from tests.support.serving import running


def served_model(model: dict[str, Any]) -> Iterator[Any]:
    """The official client of a service with a model."""
    spec = ModelServiceSpec.model_validate({"model": model, "auth": {"anonymous": True}})
    service = assemble(spec, "tiny", PrometheusMeter("tiny"), "")
    service.start(load_engine(spec, Device("cpu", 1)))
    try:
        with running(service) as found:
            yield found.client()
    finally:
        assert service.engine is not None
        service.engine.close()


@pytest.fixture(scope="module")
def text_client(llama: Path) -> Iterator[Any]:
    """A service with a language model."""
    yield from served_model({"textGeneration": {"model": str(llama), "maxNewTokens": 8}})


@pytest.fixture(scope="module")
def image_client(tiny: Path) -> Iterator[Any]:
    """A service with a vision-language model."""
    yield from served_model({"visionLanguage": {"model": str(tiny), "maxNewTokens": 8}})


def test_a_greedy_answer_equals_that_of_the_offline_step(text_client: Any, llama: Path, ask: Ask) -> None:  # noqa: F811
    from datajob.operators.inference.text_generation import TextGeneration

    step = TextGeneration(model=str(llama), prompt="{text}", system="Be brief.", max_new_tokens=8, tokens_column="n")
    (expected,), _ = ask(step, [{"text": "for in range"}])
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "for in range"}]
    found = text_client.chat.completions.create(model="tiny", messages=messages)
    assert found.choices[0].message.content == expected["answer"]
    assert found.usage.prompt_tokens > 5
    streamed = text_client.chat.completions.create(model="tiny", messages=messages, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed) == expected["answer"]


def test_an_answer_about_an_image_equals_that_of_the_offline_step(image_client: Any, tiny: Path, ask: Ask) -> None:  # noqa: F811
    from datajob.operators.inference.vision_language import VisionLanguage
    from tests.support.pictures import photo_bytes

    data = photo_bytes("china")
    (expected,), _ = ask(VisionLanguage(model=str(tiny), prompt="what", max_new_tokens=8), [{"image": data}])
    url = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "what"}]
    found = image_client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": content}])
    assert found.choices[0].message.content == expected["answer"]


def test_a_prompt_beyond_the_model_is_refused_with_its_code(text_client: Any) -> None:
    from openai import BadRequestError

    with pytest.raises(BadRequestError) as refused:
        text_client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "word " * 10_000}])
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
    assert text_client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a"}]).choices


def test_the_official_client_parses_answers_into_a_model(text_client: Any) -> None:
    from enum import Enum

    from openai import BadRequestError
    from pydantic import BaseModel

    class Color(Enum):
        RED = "red"
        BLUE = "blue"

    class Car(BaseModel):
        color: Color
        electric: bool
        doors: list[bool] | None

    asked: Any = {"model": "tiny", "messages": [{"role": "user", "content": "a car"}], "max_completion_tokens": 400, "seed": 1}
    for temperature in (0, 1):
        found = text_client.chat.completions.parse(response_format=Car, temperature=temperature, **asked)
        assert isinstance(found.choices[0].message.parsed, Car)
    with text_client.chat.completions.stream(response_format=Car, temperature=1, **asked) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Car)
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"properties": {"a": {"not": {}}}}}}
    with pytest.raises(BadRequestError, match=r"`not` at \$.properties.a is not supported") as refused:
        text_client.chat.completions.create(response_format=form, **asked)
    assert refused.value.param == "response_format.json_schema.schema"


def test_embeddings_equal_those_of_the_offline_step(llama: Path, ask: Ask) -> None:  # noqa: F811
    import numpy as np
    from openai import BadRequestError
    from transformers import AutoTokenizer

    from datajob.operators.inference.embed import Embed

    texts = ["for in range", "the quick brown fox"]
    (first, second), _ = ask(Embed(model=str(llama), column="text", prefix="query: "), [{"text": text} for text in texts])
    for client in served_model({"embed": {"model": str(llama), "prefix": "query: "}}):
        found = client.embeddings.create(model="tiny", input=texts)
        np.testing.assert_allclose([d.embedding for d in found.data], [first["embedding"], second["embedding"]], atol=1e-5)
        tokens = AutoTokenizer.from_pretrained(llama)(f"query: {texts[0]}", add_special_tokens=False)["input_ids"]
        given = client.embeddings.create(model="tiny", input=[tokens]).data[0].embedding
        np.testing.assert_allclose(given, first["embedding"], atol=1e-5)
        with pytest.raises(BadRequestError) as refused:
            client.embeddings.create(model="tiny", input="word " * 20_000)
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")
        with pytest.raises(BadRequestError, match="not in the vocabulary"):
            client.embeddings.create(model="tiny", input=[10**6])
