"""The requests for generated text: what their fields mean for the engine."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from datajob.api.service.spec import RequestLimits
from datajob.operators.inference._engines.serving import Feature, GenerationRequest
from datajob.operators.inference._model import seed_of
from datajob.serving.openai.errors import invalid, unsupported
from datajob.serving.openai.fields import Fields
from datajob.serving.openai.messages import Conversation

MAX_STOP_CHARACTERS = 65_536
MAX_SCHEMA_BYTES = 1 << 20
SMALLEST_TOP_P = 1e-9
"""Stands for `top_p: 0`, which allows only the most likely token."""


@dataclass(frozen=True)
class Defaults:
    """The parameters of the model block, for fields that a request does not state."""

    system: str | None = None
    max_new_tokens: int = 1000
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None


class StreamOptions(Fields):
    """Options of a streamed reply."""

    include_usage: bool = False
    include_obfuscation: bool = False


class JsonSchema(Fields):
    """The form of an answer."""

    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Fields):
    """The form of an answer: text, any JSON object, or JSON that matches a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class SamplingFields(Fields):
    """The fields that chat completions and completions share."""

    limit_fields: ClassVar[tuple[str, ...]] = ("max_tokens",)
    """Fields for the maximum number of tokens, the preferred one first."""

    model: str
    max_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=1_000_000)
    n: int = Field(default=1, ge=1, lt=2**31)
    stop: str | list[str] = Field(default=[])
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    stream: bool = False
    stream_options: StreamOptions | None = None

    def stops(self) -> tuple[str, ...]:
        """The stop texts. Raises ApiError."""
        found = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if len(found) > 4:
            raise invalid("`stop` may contain at most 4 texts.", "stop")
        if not all(found):
            raise invalid("`stop` must not contain an empty text.", "stop")
        if sum(map(len, found)) > MAX_STOP_CHARACTERS:
            raise invalid(f"The texts in `stop` have more than {MAX_STOP_CHARACTERS} characters.", "stop")
        return found

    def common(
        self, defaults: Defaults, limits: RequestLimits, texts: Sequence[str], images: tuple[bytes, ...]
    ) -> dict[str, Any]:
        """The parameters of the engine. Raises ApiError."""
        if self.n > limits.choices:
            raise invalid(f"`n` is {self.n}, but this service permits at most {limits.choices}.", "n")
        if self.stream_options is not None and not self.stream:
            raise invalid("`stream_options` requires `stream: true`.", "stream_options")
        field, limit = next(((f, v) for f in self.limit_fields if (v := getattr(self, f)) is not None), ("", None))
        if limit is not None and limits.output_tokens is not None and limit > limits.output_tokens:
            raise invalid(f"`{field}` is {limit}, but this service permits at most {limits.output_tokens}.", field)
        temperature = defaults.temperature if self.temperature is None else self.temperature
        seed = defaults.seed if self.seed is None else self.seed
        top_p = defaults.top_p if self.top_p is None else self.top_p
        return {
            "max_new_tokens": limit or min(defaults.max_new_tokens, limits.output_tokens or defaults.max_new_tokens),
            "temperature": temperature,
            "top_p": max(top_p, SMALLEST_TOP_P),
            "top_k": defaults.top_k if self.top_k is None else self.top_k,
            "stop": self.stops(),
            "n": self.n,
            "seed": secrets.randbits(53) if seed is None else seed_of(seed, "\n".join(texts), images) % 2**53,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
        }

    def states_limit(self) -> bool:
        """Whether the request states the maximum number of tokens of its answer."""
        return any(getattr(self, field) is not None for field in self.limit_fields)


class ChatRequest(SamplingFields):
    """A request for chat completions."""

    limit_fields: ClassVar[tuple[str, ...]] = ("max_completion_tokens", "max_tokens")

    messages: list[dict[str, Any]] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None

    def generation(
        self, conversation: Conversation, images: tuple[bytes, ...], defaults: Defaults, limits: RequestLimits
    ) -> GenerationRequest:
        """The request for the engine. Raises ApiError."""
        if self.top_logprobs is not None and not self.logprobs:
            raise invalid("`top_logprobs` requires `logprobs: true`.", "top_logprobs")
        return GenerationRequest(
            messages=conversation.messages,
            images=images,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            schema=self._schema(),
            **self.common(defaults, limits, conversation.user_texts(), images),
        )

    def _schema(self) -> Any:
        form = self.response_format
        if form is None or form.type == "text":
            return None
        if form.type == "json_object":
            return True
        if form.json_schema is None:
            raise invalid("`response_format` of type `json_schema` requires `json_schema`.", "response_format.json_schema")
        if len(json.dumps(form.json_schema.schema_)) > MAX_SCHEMA_BYTES:
            raise invalid("The schema is larger than 1 MB.", "response_format.json_schema.schema")
        return form.json_schema.schema_


class CompletionRequest(SamplingFields):
    """A request for completions."""

    prompt: str | list[str] | list[int] | list[list[int]]
    logprobs: int | None = Field(default=None, ge=0, le=5)

    def prompts(self, limits: RequestLimits) -> list[str | tuple[int, ...]]:
        """The texts or lists of tokens. Raises ApiError."""
        given: Any = self.prompt
        if isinstance(given, str) or (given and isinstance(given[0], int)):
            given = [given]
        if not given:
            raise invalid("`prompt` is empty.", "prompt")
        if len(given) * self.n > limits.choices:
            raise invalid(f"The request asks for {len(given) * self.n} answers, but the limit is {limits.choices}.", "prompt")
        return [one if isinstance(one, str) else tuple(one) for one in given]

    def generation(self, prompt: str | tuple[int, ...], defaults: Defaults, limits: RequestLimits) -> GenerationRequest:
        """The request for the engine. Raises ApiError."""
        text = prompt if isinstance(prompt, str) else str(prompt)
        return GenerationRequest(prompt=prompt, logprobs=self.logprobs, **self.common(defaults, limits, [text], ()))


def check_features(request: GenerationRequest, features: frozenset[Feature]) -> None:
    """Refuse by name what the engine does not support. Raises ApiError."""
    needed: list[tuple[bool, Feature, str]] = [
        (bool(request.images), "images", "messages"),
        (request.logprobs is not None, "logprobs", "logprobs"),
        (request.frequency_penalty != 0, "penalties", "frequency_penalty"),
        (request.presence_penalty != 0, "penalties", "presence_penalty"),
        (request.schema is True, "json", "response_format"),
        (request.schema is not None and request.schema is not True, "schema", "response_format"),
    ]
    for used, feature, field in needed:
        if used and feature not in features:
            what = "The model of this service does not accept images" if feature == "images" else f"`{field}` is not supported"
            raise unsupported(field, f"{what}{'' if feature == 'images' else ' by the engine of this service'}.")
