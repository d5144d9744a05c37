"""What an engine is: requests in, a future per request out. Loaded once per process, used by several threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Task = Literal["vision", "text", "embed"]


@dataclass(frozen=True)
class Settings:
    """What of a step decides what is loaded."""

    task: Task
    model: str
    revision: str | None = None
    engine: str = "auto"
    dtype: str | None = None
    attention: str = "auto"
    quantization: str = "none"
    batch_tokens: int | None = None
    batch_rows: int | None = None
    static_cache: bool = False
    model_type: str | None = None
    """`model_type` that the model's config must have."""
    pooling: str = "mean"
    max_length: int | None = None


@dataclass(frozen=True)
class Options:
    """How an answer is made; requests with the same options may share a batch."""

    max_new_tokens: int = 1
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    system: str | None = None
    chat: bool = True
    """Wrap the prompt by the model's chat template."""
    max_pixels: int = 0
    folder: str | None = None
    """Where relative paths of images begin."""


@dataclass(frozen=True)
class Request:
    """A row as the model sees it."""

    prompt: str
    options: Options
    images: tuple[Any, ...] = ()
    """As in the row: bytes, paths or pixels; decoded just before they are needed."""
    seed: int = 0
    """Of its own random numbers, so that sampled answers do not depend on the other rows of a batch."""


@dataclass(frozen=True)
class Answer:
    """What the model said."""

    text: str = ""
    tokens: int = 0
    """Made by the model, without the end token."""
    finish_reason: str = "stop"
    """`stop`, or `length` when `maxNewTokens` cut it."""
    seconds: float = 0.0
    """Its share of the time of its batch."""
    vector: Any = None
    """float32 array of an embedding."""


class RequestError(ValueError):
    """This request alone cannot be answered; says why."""


class OutOfMemory(RuntimeError):
    """A batch did not fit the device."""


class Engine(Protocol):
    """Answers requests."""

    description: str
    """Engine, model, revision, type and device, for the report."""
    busy_seconds: float
    """Seconds of work so far."""

    def submit(self, requests: Sequence[Request]) -> Sequence[Future[Answer]]:
        """Queue requests. A future raises RequestError when its row is at fault, anything else when the engine is."""

    def close(self) -> None:
        """Give the device back; what is queued is lost."""
