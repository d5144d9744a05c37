"""A deterministic substitute for a model that answers online, for tests: an answer repeats the words of its prompt."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from datajob.media.errors import MediaError
from datajob.operators.inference._engines.base import InvalidImage, RequestError
from datajob.operators.inference._engines.serving import (
    Embedding,
    Feature,
    GenerationRequest,
    ModelFailed,
    Piece,
    PromptTooLong,
    TokenProbability,
)
from datajob.operators.media.image import MAX_PIXELS, decode

DIMENSIONS = 8


@dataclass(eq=False)
class _Row:
    """An answer in progress."""

    index: int
    words: list[str]
    pieces: asyncio.Queue[Piece | Exception]
    request: GenerationRequest
    said: int = 0
    done: bool = False


class FakeServing:
    """Generates one word per row and step, in up to `slots` rows; further rows wait."""

    description = "fake: repeats words"
    revision = "local"
    features: frozenset[Feature] = frozenset({"chat", "images", "embeddings", "logprobs", "penalties"})

    def __init__(self, slots: int = 8, step_seconds: float = 0.0, max_model_len: int = 4096) -> None:
        self.slots = slots
        self.max_model_len: int | None = max_model_len
        self._longest = max_model_len
        self._seconds = step_seconds
        self._waiting: deque[_Row] = deque()
        self._running: list[_Row] = []
        self._stepping: asyncio.Task[None] | None = None
        self._failed: Exception | None = None
        self.steps = 0
        """Number of steps so far."""

    @property
    def running(self) -> int:
        """Number of rows in the batch."""
        return len(self._running)

    def measure(self, request: GenerationRequest) -> int:
        """The number of words, and one token per image."""
        tokens = len(_words(request)) + len(request.images)
        if not tokens:
            raise RequestError("the prompt is empty")
        if tokens + request.max_new_tokens > self._longest:
            raise PromptTooLong(f"the prompt has {tokens} tokens")
        return tokens

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """The words of the prompt, and a digest of the images."""
        self.check_health()
        words = _words(request)
        if request.images:
            words = [*words, await asyncio.to_thread(_digest, request.images)]
        pieces: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        rows = [_Row(index, words, pieces, request) for index in range(request.n)]
        self._waiting += rows
        self._stepping = self._stepping or asyncio.ensure_future(self._steps())
        total, open_rows = 0, request.n
        try:
            while open_rows:
                piece = await pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                total += piece.tokens
                open_rows -= piece.finish_reason is not None
                yield piece
            yield Piece(usage=(self.measure(request), total))
        finally:
            for row in rows:
                row.done = True

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> list[Embedding]:
        """Digests of the texts as vectors of length one."""
        import numpy as np

        self.check_health()
        found = []
        for text in texts:
            if not text:
                raise RequestError("the text is empty")
            tokens = len(text.split()) if isinstance(text, str) else len(text)
            if tokens > self._longest:
                raise PromptTooLong(f"the text has {tokens} tokens, but the model supports {self.max_model_len}")
            vector = np.frombuffer(hashlib.blake2b(repr(text).encode(), digest_size=DIMENSIONS).digest(), np.uint8) - 127.5
            found.append(Embedding((vector / np.linalg.norm(vector)).astype(np.float32), tokens))
        return found

    def check_health(self) -> None:
        """Raise ModelFailed if the engine was closed or failed."""
        if self._failed is not None:
            raise ModelFailed(str(self._failed))

    def close(self) -> None:
        """Fail all rows."""
        self.fail(ModelFailed("the engine was closed"))

    def fail(self, error: Exception) -> None:
        """Stop as an engine does whose device has failed."""
        self._failed = error
        for row in (*self._running, *self._waiting):
            row.pieces.put_nowait(error)
        self._running.clear()
        self._waiting.clear()

    async def _steps(self) -> None:
        """Run until no row is left."""
        while self._waiting or self._running:
            self._running = [row for row in self._running if not row.done]
            while self._waiting and len(self._running) < self.slots:
                row = self._waiting.popleft()
                if not row.done:
                    self._running.append(row)
            await asyncio.sleep(self._seconds)
            self.steps += 1
            for row in self._running:
                row.pieces.put_nowait(_next_piece(row))
        self._stepping = None


def _next_piece(row: _Row) -> Piece:
    """The next word, or the end. Stop texts are whole words."""
    r = row.request
    if row.said >= len(row.words) or row.words[row.said] in r.stop:
        row.done = True
        return Piece(row.index, finish_reason="stop")
    text = ("" if row.said == 0 else " ") + row.words[row.said]
    row.said += 1
    cut = row.said >= r.max_new_tokens and row.said < len(row.words)
    row.done = row.done or cut
    probabilities: tuple[TokenProbability, ...] = ()
    if r.logprobs is not None:
        top = tuple((text, text.encode(), -0.5 - i) for i in range(r.logprobs))
        probabilities = (TokenProbability(text, text.encode(), -0.5, top),)
    return Piece(row.index, text, 1, probabilities, "length" if cut else None)


def _words(request: GenerationRequest) -> list[str]:
    if request.messages:
        return " ".join(part for message in request.messages for part in message.content if part is not None).split()
    return request.prompt.split() if isinstance(request.prompt, str) else [str(token) for token in request.prompt]


def _digest(images: Sequence[bytes]) -> str:
    try:
        pixels = b"".join(decode(image, MAX_PIXELS).tobytes() for image in images)
    except MediaError as error:
        raise InvalidImage(error) from error
    return hashlib.blake2b(pixels, digest_size=4).hexdigest()
