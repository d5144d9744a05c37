"""Serves a batching backend: an answer is one piece, sent when its batch is complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
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

    def __init__(self, backend: Backend, features: Iterable[Feature], max_pixels: int = 0) -> None:
        self._backend: Any = backend
        self._batcher = Batcher(backend)
        self._max_pixels = max_pixels
        self.description = backend.description
        self.revision = str(getattr(backend, "revision", "local"))
        self.features = frozenset(features)
        self.max_model_len: int | None = getattr(backend, "longest", None)
        self.slots = backend.limits.rows
        self.running = 0

    def measure(self, request: GenerationRequest) -> int:
        """The number of tokens of the prompt and its images."""
        length: int = self._backend.length(self._request(request, 0))
        return length - request.max_new_tokens

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """Each answer as one piece. A canceled answer is generated to its end, but discarded."""
        prompt = await asyncio.to_thread(self.measure, request)
        total = 0
        async for index, answer in self._answers([self._request(request, i) for i in range(request.n)]):
            total += answer.tokens
            text, stopped = before_stop(answer.text, request.stop)
            yield Piece(
                index, text, answer.tokens, finish_reason="stop" if stopped or answer.finish_reason == "stop" else "length"
            )
        yield Piece(usage=(prompt, total))

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

    def _request(self, request: GenerationRequest, index: int) -> Request:
        return row_of(request, index, self._backend.processor, self._max_pixels)

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


def before_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of the stop texts, and whether there is one."""
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)
