"""vLLM (and vllm-ascend): continuous batching. A thread feeds its scheduler with the requests of all units in flight."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from typing import Any

from workloads.errors import InvalidJob
from workloads.operators.base import Device
from workloads.operators.image._decode import ImageError, decode
from workloads.operators.inference._engines.base import Answer, Request, RequestError, Settings
from workloads.operators.inference._engines.loading import load_config, load_processor
from workloads.operators.inference._engines.prompting import Prompter

MEMORY = 0.9
"""Share of a whole accelerator's memory that vLLM may take."""


class Vllm:
    """An engine around `vllm.LLMEngine`."""

    def __init__(self, settings: Settings, device: Device) -> None:
        if find_spec("vllm") is None:
            raise InvalidJob("`engine: vllm` needs the package vllm in the image; leave `engine` out for transformers.")
        import vllm

        config = load_config(settings)
        self._prompter = Prompter(load_processor(settings), settings.task == "vision")
        arguments = vllm.EngineArgs(
            model=settings.model,
            revision=settings.revision,
            dtype=settings.dtype or "float16",
            tensor_parallel_size=max(1, int(device.count)),
            gpu_memory_utilization=MEMORY * min(1.0, device.count),
            max_num_batched_tokens=settings.batch_tokens,
            **({"max_num_seqs": settings.batch_rows} if settings.batch_rows else {}),
        )
        self._engine: Any = vllm.LLMEngine.from_engine_args(arguments)
        revision = getattr(config, "_commit_hash", None) or settings.revision or "local"
        self.description = (
            f"vllm {vllm.__version__}: {settings.model} at {revision}, {settings.dtype or 'float16'} on {device.kind}"
        )
        self.busy_seconds = 0.0
        self._numbers = itertools.count()
        self._new: list[tuple[str, Any, Any, Future[Answer]]] = []
        self._more = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._guarded, name="vllm", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> list[Future[Answer]]:
        """Decode images here, in the thread of the unit, and queue."""
        futures: list[Future[Answer]] = []
        for request in requests:
            future: Future[Answer] = Future()
            futures.append(future)
            try:
                prompt, parameters = self._prompt(request), _sampling(request)
            except RequestError as error:
                future.set_exception(error)
                continue
            with self._more:
                if self._closed:
                    raise RuntimeError("the engine is closed")
                self._new.append((str(next(self._numbers)), prompt, parameters, future))
                self._more.notify()
        return futures

    def close(self) -> None:
        """Stop the scheduler."""
        with self._more:
            self._closed = True
            self._more.notify()

    def _prompt(self, request: Request) -> dict[str, Any]:
        o = request.options
        prompt: dict[str, Any] = {"prompt": self._prompter.text(request)[0]}
        if request.images:
            try:
                prompt["multi_modal_data"] = {"image": [decode(i, o.max_pixels, o.folder) for i in request.images]}
            except ImageError as error:
                raise RequestError(str(error)) from error
        return prompt

    def _guarded(self) -> None:
        running: dict[str, tuple[Future[Answer], float]] = {}
        try:
            while self._take(running):
                began = time.perf_counter()
                outputs = self._engine.step()
                self.busy_seconds += time.perf_counter() - began
                for output in outputs:
                    if output.finished:
                        future, started = running.pop(output.request_id)
                        future.set_result(_answer(output, started))
        except BaseException as error:  # noqa: BLE001 - handed to those who wait
            for future, _ in running.values():
                future.set_exception(error)
            with self._more:
                self._closed = True
                waiting, self._new = self._new, []
            for *_, future in waiting:
                future.set_exception(error)

    def _take(self, running: dict[str, tuple[Future[Answer], float]]) -> bool:
        """Hand new requests to the scheduler; wait for some when it has nothing to do. False when closed."""
        with self._more:
            while not (self._new or running or self._closed):
                self._more.wait()
            new, self._new = self._new, []
            if self._closed:
                raise RuntimeError("the engine was closed")
        for name, prompt, parameters, future in new:
            try:
                self._engine.add_request(name, prompt, parameters)
            except ValueError as error:  # a prompt that is too long, say
                future.set_exception(RequestError(str(error)))
            else:
                running[name] = (future, time.perf_counter())
        return True


def _sampling(request: Request) -> Any:
    import vllm

    o = request.options
    return vllm.SamplingParams(
        max_tokens=o.max_new_tokens,
        temperature=o.temperature,
        top_p=o.top_p,
        top_k=o.top_k,
        seed=request.seed if o.temperature > 0 else None,
    )


def _answer(output: Any, started: float) -> Answer:
    said = output.outputs[0]
    stopped = said.finish_reason == "stop"
    return Answer(said.text, len(said.token_ids), "stop" if stopped else "length", time.perf_counter() - started)
