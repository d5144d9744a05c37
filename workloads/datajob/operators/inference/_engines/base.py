"""The interface of inference engines: they are loaded once per process and return a future for each request."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from datajob.media.errors import MediaError

Task = Literal["vision", "text", "embed", "imageEmbed", "imageClassify", "speech"]
IMAGE_TASKS = ("imageEmbed", "imageClassify")
"""Tasks of models that compute a vector per image."""


@dataclass(frozen=True)
class Settings:
    """The parameters of a step that determine what to load."""

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
    """The required `model_type` in the config of the model."""
    pooling: str = "mean"
    max_length: int | None = None


@dataclass(frozen=True)
class SpeechOptions:
    """Options of speech recognition."""

    transcribe: bool = True
    """False: only the language is detected."""
    language: str | None = None
    """Code of the language; None to detect it."""
    translate: bool = False
    """Translate to English."""
    beams: int = 1
    words: bool = False
    """Compute the times of words."""


@dataclass(frozen=True)
class Options:
    """Options of generation; requests with equal options can share a batch."""

    max_new_tokens: int = 1
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    system: str | None = None
    chat: bool = True
    """Apply the chat template of the model."""
    max_pixels: int = 0
    folder: str | None = None
    """The folder that relative image paths are resolved against."""
    speech: SpeechOptions | None = None


@dataclass(frozen=True)
class Request:
    """The input of the model for a row."""

    prompt: str
    options: Options
    images: tuple[Any, ...] = ()
    """Bytes, paths or pixels, as in the row; decoded just before they are needed."""
    seed: int = 0
    """The seed of its random numbers, so that sampled answers do not depend on the other rows of a batch."""
    samples: Any = None
    """Mono audio at 16 kHz, as array of float32."""
    messages: tuple[Any, ...] = ()
    """The conversation of an online request, instead of `prompt`."""


@dataclass(frozen=True)
class Answer:
    """The output of the model for a request."""

    text: str = ""
    tokens: int = 0
    """Number of generated tokens, without the end token."""
    finish_reason: str = "stop"
    """`stop`, or `length` if it was truncated at `maxNewTokens`."""
    seconds: float = 0.0
    """The share of the request in the time of its batch."""
    vector: Any = None
    """float32 array of an embedding."""
    language: str | None = None
    """Code of the language of speech."""
    language_probability: float = 0.0
    no_speech: float = 0.0
    """Probability that the audio contains no speech."""
    words: Any = None
    """Words with their start and end in seconds: a list of dicts."""
    counts_tokens: bool = True
    """False if an endpoint did not state the number of tokens, which is then 0."""
    prompt_tokens: int = 0
    """Tokens of the prompt, counted by an endpoint."""
    requests: int = 0
    """Requests that an endpoint received for it. The first of several rows that share a request has all of its cost."""
    waited: float = 0.0
    """Seconds between the first of these requests and the last one."""


class RequestError(ValueError):
    """A single request that cannot be processed, with the reason."""

    def __init__(self, reason: str, cost: Answer | None = None) -> None:
        super().__init__(reason)
        self.cost = cost
        """What an endpoint counted for the request."""


class InvalidImage(RequestError):
    """An image of a request that cannot be used."""

    def __init__(self, error: MediaError) -> None:
        super().__init__(str(error))
        self.why = error.message
        """The reason in words."""


def not_finite(what: str) -> RequestError:
    """The error of a row for which a model has computed NaN or infinity, for example because its numbers overflow."""
    return RequestError(f"the model computed NaN or infinity for {what}; use a `dtype` with a larger range")


class OutOfMemory(RuntimeError):
    """A batch did not fit into the memory of the device."""


class Engine(Protocol):
    """Processes requests."""

    @property
    def description(self) -> str:
        """Engine, model, revision, type and device, for the report."""

    busy_seconds: float
    """Seconds of work so far."""
    preparation: Any
    """How other processes prepare images; None if they cannot."""

    def submit(self, requests: Sequence[Request]) -> Sequence[Future[Answer]]:
        """Queue requests. A future raises RequestError if its row is the cause, and another error if the engine is."""

    def close(self) -> None:
        """Release the device; queued requests fail."""
