"""Answers of a model with random weights, restricted to JSON: each one that ends with `stop` matches its schema."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import RequestError, Settings
from datajob.operators.inference._engines.serving import GenerationRequest, InvalidSchema, Message, Piece
from tests.support.vllm_services import until

SEED = 20_261_127
FORMATS = ("date", "date-time", "uuid", "ipv4", "email")


@pytest.fixture(scope="module", params=["continuous", "whole"])
def engine(request: pytest.FixtureRequest, llama: Path) -> Iterator[Any]:
    """A language model, in batches that answers join, and in others."""
    from datajob.operators.inference._engines.choosing import start_serving

    settings = Settings("text", str(llama), batch_rows=8, static_cache=request.param == "whole")
    found = start_serving(settings, Device("cpu", 1))
    assert {"json", "schema"} <= found.features
    yield found
    found.close()


def asking(schema: Any, **options: Any) -> GenerationRequest:
    """A request for JSON."""
    return GenerationRequest(messages=(Message("user", ("for in",)),), schema=schema, **options)


async def answer_of(engine: Any, request: GenerationRequest) -> tuple[str, str]:
    """The text of an answer, and why it ended."""
    pieces: list[Piece] = [piece async for piece in engine.generate(request)]
    return "".join(p.text for p in pieces), next(p.finish_reason for p in pieces if p.finish_reason)


def a_schema(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random schema that short answers can match."""
    kinds = ["integer", "number", "string", "boolean", "null", "enum", "const", "format", "pattern"]
    kind = chance.choice(kinds if depth >= 3 else [*kinds, *["object"] * 6, *["array"] * 3, "anyOf", "oneOf", "allOf", "tuple"])
    low = chance.randint(-20, 20)
    match kind:
        case "integer":
            return {"type": "integer", "minimum": low, "maximum": low + chance.randint(0, 200)}
        case "number":
            return {"type": "number", "exclusiveMinimum": low, "maximum": low + 3}
        case "string":
            return {"type": "string", "minLength": chance.randint(0, 3), "maxLength": chance.randint(3, 8)}
        case "enum":
            return {"enum": chance.sample(["a", 'q"\\', "ü", 1, 2.5, None, True, {"x": [1]}], 3)}
        case "const":
            return {"const": chance.choice(["", "日本", {"a": 1}, [1, 2]])}
        case "format":
            return {"type": "string", "format": chance.choice(FORMATS)}
        case "pattern":
            return {"type": "string", "pattern": chance.choice(["^[a-c]{2,4}$", "^x\\d+y$", "^(a|bc)*$", "^\\w{3}$"])}
        case "object":
            names = chance.sample(["a", "b", "c d", 'e"', "ß"], chance.randint(0, 4))
            required = [name for name in names if chance.random() < 0.6]
            inner = {name: a_schema(chance, depth + 1) for name in names}
            found = {"type": "object", "properties": inner, "required": required, "additionalProperties": False}
            return (
                found
                if chance.random() < 0.8
                else found | {"additionalProperties": {"type": "integer"}, "maxProperties": 5}
                if required == names
                else found
            )
        case "array":
            return {"type": "array", "items": a_schema(chance, depth + 1), "minItems": chance.randint(0, 2), "maxItems": 3}
        case "tuple":
            inner_list = [a_schema(chance, depth + 1) for _ in range(2)]
            return {"type": "array", "prefixItems": inner_list, "items": False, "minItems": 2}
        case "anyOf":
            return {"anyOf": [a_schema(chance, depth + 1) for _ in range(2)]}
        case "oneOf":
            return {"oneOf": [{"type": "boolean"}, a_schema(chance, 3) | {"type": "string"}]}
        case "allOf":
            return {"allOf": [{"type": "integer", "minimum": low}, {"maximum": low + 50}]}
    return {"type": kind}


def test_answers_match_random_schemas(engine: Any) -> None:
    from jsonschema import Draft202012Validator, FormatChecker

    print("seed", SEED)
    chance = random.Random(SEED)
    requests = [
        asking(
            a_schema(chance),
            max_new_tokens=80,
            temperature=chance.choice([0.7, 1.0, 3.0]),
            seed=i,
            top_p=chance.choice([1, 0.9]),
        )
        for i in range(100)
    ]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(answer_of(engine, r) for r in requests), return_exceptions=True)

    complete = refused = 0
    for request, found in zip(requests, asyncio.run(all_of_them()), strict=True):
        if isinstance(found, InvalidSchema):
            refused += 1
            continue
        assert not isinstance(found, BaseException), (request.schema, found)
        text, reason = found
        if reason == "stop":
            complete += 1
            Draft202012Validator(request.schema, format_checker=FormatChecker()).validate(json.loads(text))
    assert complete > 50, (complete, refused)
    assert refused < 15
    until(lambda: engine.running == 0)  # the last answer arrives before its row is removed


def test_any_object_is_valid_json(engine: Any) -> None:
    async def some() -> list[Any]:
        return await asyncio.gather(
            *(answer_of(engine, asking(True, max_new_tokens=60, temperature=1.0, seed=i)) for i in range(24))
        )

    found = asyncio.run(some())
    complete = [text for text, reason in found if reason == "stop"]
    assert complete
    assert all(isinstance(json.loads(text), dict) for text in complete)
    assert all(text.startswith("{") for text, _ in found)


def test_greedy_answers_next_to_free_ones_follow_their_schemas(engine: Any) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    free = GenerationRequest(messages=(Message("user", ("for in",)),), max_new_tokens=24)

    async def both() -> list[Any]:
        requests = [free, asking(schema | {"properties": {"n": {"enum": [7]}}}, max_new_tokens=24), free]
        return await asyncio.gather(*(answer_of(engine, r) for r in requests))

    first, restricted, second = asyncio.run(both())
    assert json.loads(restricted[0]) == {"n": 7}
    assert restricted[1] == "stop"
    assert first == second == asyncio.run(answer_of(engine, free))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string", "format": "color"}, "Unknown format: color"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "Unsatisfiable"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "oneOf"),
        ({"type": "string", "pattern": "(?=a)b"}, "regex"),
        ({"type": "text"}, "Invalid type"),
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "not supported"),
        ({"enum": []}, "Unsatisfiable"),
        (
            {"type": "array", "maxItems": 10_000, "items": {"properties": {str(i): {"maxItems": 10_000} for i in range(50)}}},
            "too big",
        ),
    ],
)
def test_schemas_without_answers_are_refused(engine: Any, schema: Any, message: str) -> None:
    with pytest.raises(InvalidSchema, match=message):
        asyncio.run(answer_of(engine, asking(schema, max_new_tokens=4)))


def test_an_answer_that_is_cut_ends_with_length(engine: Any) -> None:
    text, reason = asyncio.run(answer_of(engine, asking({"type": "array", "minItems": 50}, max_new_tokens=10)))
    assert reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_a_schema_that_takes_too_long_is_refused(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines import grammars

    release = threading.Event()
    monkeypatch.setattr(grammars, "COMPILE_SECONDS", 0.1)
    monkeypatch.setattr(engine._grammars, "_compiled", lambda _: release.wait(300))
    try:
        with pytest.raises(InvalidSchema, match="not compiled within"):
            asyncio.run(answer_of(engine, asking({"type": "string"})))
    finally:
        release.set()


def test_a_rule_of_the_model_that_forbids_all_valid_tokens_fails_the_answer(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datajob.operators.inference._engines.grammars import Constraint

    apply = Constraint.apply
    monkeypatch.setattr(Constraint, "apply", lambda self, scores: apply(self, scores) * 0 + float("-inf"))
    with pytest.raises(RequestError, match="JSON"):
        asyncio.run(answer_of(engine, asking({"type": "boolean"}, max_new_tokens=4)))
