"""vLLM (and its plugin vllm-ascend): continuous batching. Two threads process the requests of all shards in progress:
one decodes images and renders prompts in advance, the other feeds and steps the scheduler."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from datajob.errors import WorkerDied
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Answer, Request, RequestError, Settings
from datajob.operators.inference._engines.vllm_loading import give_back, load_vllm
from datajob.operators.inference._engines.vllm_requests import VllmPrompts, repetition_penalty, sampling

AHEAD = 32
"""Number of requests to decode before the scheduler can accept them; only these keep their pixels in memory."""
CLOSING_SECONDS = 60.0
"""How long to wait for the running step when the engine is closed."""


@dataclass
class Running:
    """A request in the scheduler."""

    future: Future[Answer]
    share: float
    """The accumulated seconds per row at its start; the difference at its end is the time of the row."""


class Vllm:
    """An engine around `vllm.LLMEngine`."""

    description = ""
    preparation = None

    def __init__(self, settings: Settings, device: Device) -> None:
        self.busy_seconds = 0.0
        self._share = 0.0
        self._numbers = itertools.count()
        self._asked: deque[tuple[Request, Future[Answer]]] = deque()
        self._ready: deque[tuple[Any, Any, Future[Answer]]] = deque()
        self._running: dict[str, Running] = {}
        self._more = threading.Condition()
        self._stopped: BaseException | None = None
        loaded: Future[None] = Future()
        self._threads = [
            threading.Thread(target=self._answer, args=(settings, device, loaded), name="vllm", daemon=True),
            threading.Thread(target=self._prepare, name="prepare", daemon=True),
        ]
        self._threads[0].start()
        loaded.result()
        self._threads[1].start()

    def _load(self, settings: Settings, device: Device) -> None:
        loaded = load_vllm(settings, device)
        self.description = loaded.description
        self._engine: Any = loaded.engine
        self.prompts = VllmPrompts(self._engine, loaded.processor, settings.task == "vision")
        self._tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
        self._penalty = repetition_penalty(self._engine)
        self._room = int(self._engine.vllm_config.scheduler_config.max_num_seqs)

    def submit(self, requests: Sequence[Request]) -> list[Future[Answer]]:
        """Queue requests; a future raises RequestError if its row is the cause."""
        asked = [(request, Future[Answer]()) for request in requests]
        with self._more:
            if self._stopped is not None:
                raise RuntimeError("the engine is closed") from self._stopped
            self._asked += asked
            self._more.notify_all()
        return [future for _, future in asked]

    def close(self) -> None:
        """Stop the scheduler and release the device; queued requests fail."""
        self._stop(RuntimeError("the engine was closed"))
        for thread in self._threads:
            thread.join(CLOSING_SECONDS)

    def _stop(self, why: BaseException) -> None:
        with self._more:
            self._stopped = self._stopped or why
            waiting = [f for *_, f in self._asked] + [f for *_, f in self._ready]
            self._asked.clear()
            self._ready.clear()
            self._more.notify_all()
        for future in waiting:
            future.set_exception(why)

    def _prepare(self) -> None:
        while (asked := self._next()) is not None:
            request, future = asked
            try:
                prompt, parameters = self.prompts.render(request), self._sampling(request)
            except WorkerDied as error:  # the child process that decodes cannot be started
                future.set_exception(error)
                continue
            except Exception as error:  # noqa: BLE001 - an error of this request only
                future.set_exception(_at_fault(error))
                continue
            with self._more:
                why = self._stopped
                if why is None:
                    self._ready.append((prompt, parameters, future))
                    self._more.notify_all()
            if why is not None:
                future.set_exception(why)

    def _next(self) -> tuple[Request, Future[Answer]] | None:
        """The oldest request, when it can be accepted; None when stopped."""
        with self._more:
            while self._stopped is None and (not self._asked or len(self._ready) >= AHEAD):
                self._more.wait()
            return self._asked.popleft() if self._stopped is None else None

    def _sampling(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(**sampling(request, self._penalty), output_kind=RequestOutputKind.FINAL_ONLY)

    def _answer(self, settings: Settings, device: Device, loaded: Future[None]) -> None:
        """Load the model and run steps in one thread: OpenMP, which vLLM uses on CPUs, has thread counts per thread."""
        try:
            self._load(settings, device)
        except BaseException as error:  # noqa: BLE001 - raised where the engine is created
            loaded.set_exception(error)
            return
        loaded.set_result(None)
        try:
            while self._take():
                self._step()
        except BaseException as error:  # noqa: BLE001 - an error of the engine: all waiting requests fail with it
            self._stop(error)
        for running in self._running.values():
            running.future.set_exception(self._stopped or RuntimeError("the engine was closed"))
        self._running.clear()
        self._threads[1].join()  # it may be about to use the engine
        engine, self._engine = self._engine, None
        give_back(engine)

    def _take(self) -> bool:
        """Pass new requests to the scheduler, and wait for some if it is idle. False when stopped."""
        with self._more:
            while self._stopped is None and not self._ready and not self._running:
                self._more.wait()
            if self._stopped is not None:
                return False
            new = [self._ready.popleft() for _ in range(min(len(self._ready), self._room - len(self._running)))]
            self._more.notify_all()
        numbers = [str(next(self._numbers)) for _ in new]
        self._running |= {number: Running(future, self._share) for number, (*_, future) in zip(numbers, new, strict=True)}
        for number, (prompt, parameters, future) in zip(numbers, new, strict=True):
            try:
                self._engine.add_request(number, prompt, parameters)
            except ValueError as error:  # any other is an error of the engine and ends all running requests
                del self._running[number]
                future.set_exception(_at_fault(error))
        return True

    def _step(self) -> None:
        if not self._running:  # each new request was rejected
            return
        began = time.perf_counter()
        outputs = self._engine.step()
        seconds = time.perf_counter() - began
        self.busy_seconds += seconds
        self._share += seconds / len(self._running)
        for output in outputs:
            if output.finished:
                running = self._running.pop(output.request_id)
                running.future.set_result(self._read(output.outputs[0], self._share - running.share))

    def _read(self, said: Any, seconds: float) -> Answer:
        stopped = said.finish_reason == "stop"
        tokens = list(said.token_ids)[:-1] if stopped else list(said.token_ids)  # without the end token
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return Answer(text, len(tokens), "stop" if stopped else "length", seconds)


def _at_fault(error: Exception) -> RequestError:
    return error if isinstance(error, RequestError) else RequestError(f"{type(error).__name__}: {error}")
