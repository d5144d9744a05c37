"""Serves a model with vLLM, which runs in separate processes: one request of vLLM per answer, sent token by token."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Request, RequestError, Settings
from datajob.operators.inference._engines.served_answers import Pieces
from datajob.operators.inference._engines.served_batches import row_of
from datajob.operators.inference._engines.serving import Embedding, Feature, GenerationRequest, ModelFailed, Piece
from datajob.operators.inference._engines.vllm_answers import VllmAnswer
from datajob.operators.inference._engines.vllm_loading import load_vllm
from datajob.operators.inference._engines.vllm_requests import VllmPrompts, repetition_penalty, served_sampling, structure


class VllmServing:
    """A serving engine around `vllm.AsyncLLM`."""

    def __init__(self, settings: Settings, device: Device, max_pixels: int = 0) -> None:
        loaded = load_vllm(settings, device, online=True)
        self._engine = loaded.engine
        self._processor = loaded.processor
        self._tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
        self._prompts = VllmPrompts(self._engine, loaded.processor, settings.task == "vision")
        self._penalty = repetition_penalty(self._engine)
        self._max_pixels = max_pixels
        self.description = loaded.description
        self.revision = loaded.revision
        features: list[Feature] = ["chat", "logprobs", "penalties", "json", "schema"]
        self.features = frozenset(features + (["images"] if settings.task == "vision" else []))
        self.max_model_len: int | None = self._prompts.longest
        self.slots = int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        self.running = 0
        self._numbers = itertools.count()
        self._open: set[tuple[asyncio.AbstractEventLoop, Pieces]] = set()
        """Where the answers of open requests are sent."""
        self._closed = False
        self._preparing = ThreadPoolExecutor(1, "prepare")

    def measure(self, request: GenerationRequest) -> int:
        """The number of tokens of the prompt and its images."""
        return self._prompts.length(self._row(request, 0))

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """The pieces of all answers, as they are generated."""
        self.check_health()
        loop = asyncio.get_running_loop()
        pieces: Pieces = asyncio.Queue()
        self._open.add((loop, pieces))
        tasks: list[asyncio.Task[None]] = []
        try:
            prompt = await loop.run_in_executor(self._preparing, self._prompts.render, self._row(request, 0))
            tasks += [asyncio.ensure_future(self._answer(request, index, prompt, pieces)) for index in range(request.n)]
            missing, total = len(tasks), 0
            while missing:
                piece = await pieces.get()
                if isinstance(piece, BaseException):
                    raise piece
                missing -= piece.finish_reason is not None
                total += piece.tokens
                yield piece
            yield Piece(usage=(len(prompt["prompt_token_ids"]), total))
        finally:
            self._open.discard((loop, pieces))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> list[Embedding]:
        """Not supported: vLLM loads models that generate text."""
        raise RequestError("the model generates text; it does not compute embeddings")

    def check_health(self) -> None:
        """Raise ModelFailed if the engine was closed or a process of vLLM has ended."""
        if self._closed:
            raise ModelFailed("the engine was closed")
        if self._engine.errored:
            raise ModelFailed("a process of vLLM has ended; its log contains the reason")

    def close(self) -> None:
        """End the processes of vLLM; all answers fail."""
        if self._closed:
            return
        self._closed = True
        for loop, pieces in list(self._open):
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, ModelFailed("the engine was closed"))
            except RuntimeError:  # the loop is closed: the client is gone
                continue
        self._preparing.shutdown(cancel_futures=True)
        self._engine.shutdown()

    def _row(self, request: GenerationRequest, index: int) -> Request:
        return row_of(request, index, self._processor, self._max_pixels)

    async def _answer(self, request: GenerationRequest, index: int, prompt: Any, pieces: Pieces) -> None:
        """Send the pieces of an answer, or an error. The answer is aborted if this task is canceled."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError

        answer = VllmAnswer(request, index, self._tokenizer)
        self.running += 1
        try:
            async with aclosing(
                self._engine.generate(prompt, self._sampling(request, index), str(next(self._numbers)))
            ) as outputs:
                async for output in outputs:
                    for piece in answer.pieces(output.outputs[0]):
                        pieces.put_nowait(piece)
                    if answer.complete and not output.finished:
                        return
        except VLLMClientError as error:
            pieces.put_nowait(RequestError(str(error)))
        except EngineDeadError as error:
            pieces.put_nowait(ModelFailed(str(error)))
        except Exception as error:  # noqa: BLE001 - raised for the client
            pieces.put_nowait(error)
        finally:
            self.running -= 1

    def _sampling(self, request: GenerationRequest, index: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        form = structure(request.schema)
        return SamplingParams(
            **served_sampling(request, self._row(request, index), self._penalty),
            output_kind=RequestOutputKind.DELTA,
            structured_outputs=None if form is None else StructuredOutputsParams(**form),
        )
