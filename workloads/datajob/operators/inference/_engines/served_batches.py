"""Serves embeddings in the batches of the offline steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from typing import Any

from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError
from datajob.operators.inference._engines.batching import Backend, Batcher
from datajob.operators.inference._engines.serving import (
    Embedding,
    Feature,
    GenerationRequest,
    ModelFailed,
    Piece,
    PromptTooLong,
)


class ServedBatches:
    """A serving engine on top of the batches of the offline steps."""

    def __init__(self, backend: Backend) -> None:
        self._backend: Any = backend
        self._batcher = Batcher(backend)
        self.description = backend.description
        self.revision = str(getattr(backend, "revision", "local"))
        self.features = frozenset[Feature]({"embeddings"})
        self.max_model_len: int | None = getattr(backend, "longest", None)
        self.slots = backend.limits.rows
        self.running = 0

    def measure(self, request: GenerationRequest) -> int:
        """Not supported by models that compute embeddings."""
        raise RequestError("the model computes embeddings; it does not generate text")

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """Not supported by models that compute embeddings."""
        self.measure(request)
        yield Piece()

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> list[Embedding]:
        """The vectors of the texts."""
        options = Options(chat=False)
        requests = [
            Request(text if isinstance(text, str) else text_of(self._backend.processor, text), options) for text in texts
        ]
        for request in requests:
            self._check_length(request)
        found = [answer async for answer in self._answers(requests)]
        return [Embedding(answer.vector, answer.tokens) for _, answer in sorted(found, key=lambda each: each[0])]

    def check_health(self) -> None:
        """Raise ModelFailed if a thread of the batches has ended."""
        self._batcher.check_health()

    def close(self) -> None:
        """Stop the batches."""
        self._batcher.close()

    def _check_length(self, request: Request) -> None:
        """A text without a configured maximum is not truncated in silence."""
        count = getattr(self._backend, "tokens_of", None)
        if count is None or self.max_model_len is None or self._backend.settings.max_length is not None:
            return
        if (tokens := count(request)) > self.max_model_len:
            raise PromptTooLong(
                f"the text has {tokens} tokens, but the model supports {self.max_model_len}; shorten it, or set `maxLength` "
                "of the model to truncate texts"
            )

    async def _answers(self, requests: Sequence[Request]) -> AsyncIterator[tuple[int, Answer]]:
        """The answers with their positions, as they arrive. Futures are not canceled: a batch sets their results."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[int, Future[Answer]]] = asyncio.Queue()

        def arrive(position: int, future: Future[Answer]) -> None:
            self.running -= 1
            arrived.put_nowait((position, future))

        for position, future in enumerate(await asyncio.to_thread(self._submit, requests)):
            self.running += 1
            future.add_done_callback(lambda done, at=position: loop.call_soon_threadsafe(arrive, at, done))  # type: ignore[misc]
        for _ in requests:
            position, future = await arrived.get()
            try:
                yield position, future.result()
            except RequestError:
                raise
            except Exception as error:
                raise ModelFailed(str(error)) from error

    def _submit(self, requests: Sequence[Request]) -> list[Future[Answer]]:
        try:
            return self._batcher.submit(requests)
        except RuntimeError as error:
            raise ModelFailed(str(error)) from error


def row_of(request: GenerationRequest, index: int, processor: Any, max_pixels: int) -> Request:
    """An answer to a request as a row of a backend. Each answer has a separate seed."""
    options = Options(
        request.max_new_tokens,
        request.temperature,
        request.top_p,
        request.top_k,
        chat=bool(request.messages),
        max_pixels=max_pixels,
    )
    prompt = request.prompt if isinstance(request.prompt, str) else text_of(processor, request.prompt)
    return Request(prompt, options, request.images, (request.seed + index) % 2**53, messages=request.messages)


def text_of(processor: Any, tokens: tuple[int, ...]) -> str:
    """The text of a prompt that a client sent as tokens. Raises RequestError."""
    tokenizer = getattr(processor, "tokenizer", processor)
    if any(not 0 <= token < len(tokenizer) for token in tokens):
        raise RequestError(f"a token is not in the vocabulary of the model, which has {len(tokenizer)} tokens")
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True))
