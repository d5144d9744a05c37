"""Collects the pieces of the answers to a request, so that a slow client does not slow down the engine."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

from datajob.operators.inference._engines.serving import GenerationRequest, Piece, ServingEngine


class Pump:
    """Generates the answers to several prompts at the same time. Answers are numbered across prompts."""

    def __init__(self, engine: ServingEngine, requests: Sequence[GenerationRequest]) -> None:
        self._pieces: list[Piece] = []
        self._arrived = asyncio.Event()
        self._error: BaseException | None = None
        self._open = len(requests)
        self.prompt_tokens = self.completion_tokens = 0
        self._tasks = [
            asyncio.ensure_future(self._collect(engine.generate(request), number * request.n))
            for number, request in enumerate(requests)
        ]

    async def bundles(self) -> AsyncIterator[list[Piece]]:
        """All pieces that have arrived since the last ones were taken; the last list contains the usage."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._error is not None:
                raise self._error
            pieces, self._pieces = self._pieces, []
            if not self._open:
                yield [*pieces, Piece(usage=(self.prompt_tokens, self.completion_tokens))]
                return
            if pieces:
                yield pieces

    async def close(self) -> None:
        """Cancel the answers that are not complete, and wait until the engine has released them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _collect(self, source: Any, first: int) -> None:
        try:
            async for piece in source:
                if piece.usage is not None:
                    self.prompt_tokens += piece.usage[0]
                    continue
                self.completion_tokens += piece.tokens
                self._pieces.append(dataclasses.replace(piece, index=first + piece.index) if first else piece)
                self._arrived.set()
        except BaseException as error:
            self._error = self._error or error
            raise
        finally:
            await source.aclose()
            self._open -= 1
            self._arrived.set()
