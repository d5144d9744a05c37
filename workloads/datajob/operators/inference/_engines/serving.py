"""The interface of engines that answer online: pieces of an answer as they are generated, and cancellation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from datajob.operators.inference._engines.base import RequestError

Feature = Literal["chat", "images", "embeddings", "logprobs", "penalties", "json", "schema"]
"""What an engine and its model support. The application refuses what needs another feature before work begins."""
Role = Literal["system", "user", "assistant"]


class PromptTooLong(RequestError):
    """A prompt and its answer exceed the maximum length of the model."""


class InvalidSchema(RequestError):
    """The engine cannot restrict answers to a JSON schema."""


class ModelFailed(RuntimeError):
    """The engine cannot answer any request anymore."""


@dataclass(frozen=True)
class Message:
    """A message of a conversation."""

    role: Role
    content: tuple[str | None, ...]
    """Texts, and None for each image, in order."""


@dataclass(frozen=True)
class GenerationRequest:
    """The input of a model that generates text."""

    messages: tuple[Message, ...] = ()
    """The conversation for the chat template of the model; empty if `prompt` is the complete text."""
    prompt: str | tuple[int, ...] = ""
    """The complete text or its tokens, without a chat template."""
    images: tuple[bytes, ...] = ()
    """Encoded images whose headers are valid, one for each None in the messages."""
    max_new_tokens: int = 1
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these texts."""
    n: int = 1
    """Number of answers."""
    seed: int = 0
    """Seed of the sampling; each answer of a request uses a different one."""
    logprobs: int | None = None
    """Number of the most likely tokens to return at each position; 0: only the chosen token; None: no probabilities."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    schema: Any = None
    """JSON Schema of the answer; `True` for any JSON object; None for text."""


@dataclass(frozen=True)
class TokenProbability:
    """A token at a position of an answer."""

    text: str
    data: bytes
    """Its bytes: a token can be a part of a character."""
    logprob: float
    top: tuple[tuple[str, bytes, float], ...] = ()
    """The most likely tokens at this position: text, bytes and log probability."""


@dataclass(frozen=True)
class Piece:
    """A part of an answer. The last piece of a request has `usage`, and belongs to no answer."""

    index: int = 0
    """Number of the answer, from 0 to n - 1."""
    text: str = ""
    """The new text: never a part of a character, and never a part of a stop text."""
    tokens: int = 0
    """Number of new tokens."""
    logprobs: tuple[TokenProbability, ...] = ()
    finish_reason: Literal["stop", "length"] | None = None
    """Set in the last piece of each answer."""
    usage: tuple[int, int] | None = None
    """Number of tokens of the prompt, and of all answers."""


@dataclass(frozen=True)
class Embedding:
    """The vector of a text."""

    vector: Any
    """Array of float32."""
    tokens: int
    """Number of tokens of the text."""


class ServingEngine(Protocol):
    """Answers requests of many clients with one model. All coroutines run in the event loop of the application."""

    description: str
    """Engine, model, revision, type and device."""
    revision: str
    """Commit of the model, or `local`."""
    features: frozenset[Feature]
    max_model_len: int | None
    """Maximum number of tokens of a prompt and its answer."""
    slots: int
    """Maximum number of answers that are generated at the same time."""

    @property
    def running(self) -> int:
        """Number of answers that are being generated now."""

    def measure(self, request: GenerationRequest) -> int:
        """The number of tokens of the prompt and its images. Called in a thread.

        Raises PromptTooLong or RequestError for a request that the model cannot answer.
        """

    def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """The answers of a measured request. Closing the iterator cancels them and frees their slots.

        Raises RequestError if the request is the cause, and ModelFailed if the engine is.
        """

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> list[Embedding]:
        """The vectors of texts or lists of tokens. Raises PromptTooLong, RequestError or ModelFailed."""

    def check_health(self) -> None:
        """Raise ModelFailed if the engine has stopped."""

    def close(self) -> None:
        """Release the device; requests in progress fail with ModelFailed."""
