"""Form batches of similar length from the requests of all shards in progress, and prepare the next one while one is running.

The size of a batch is limited by a token budget, including padding. A batch that does not fit on the device is split in half,
and later ones use the smaller size. A batch that fails for other reasons is bisected to find the failing request.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from datajob.errors import WorkerDied
from datajob.operators.inference._engines.base import Answer, OutOfMemory, Request, RequestError, not_finite
from datajob.operators.inference._engines.serving import ModelFailed

FIRST_ROWS = 8
"""Maximum number of rows of the first batch: the oldest ones, so that the first shard is written early."""

Prepared = tuple["list[Waiting]", Any]


@dataclass(eq=False)
class Waiting:
    """A request without an answer."""

    request: Request
    length: int
    """Number of tokens of its prompt, its images, and the longest possible answer."""
    future: Future[Answer] = field(default_factory=Future)


@dataclass
class Limits:
    """The maximum size of a batch."""

    tokens: int
    rows: int


class Backend:
    """The model behind a batcher. `prepare` and `answer` run in separate threads."""

    limits: Limits
    description: str
    preparation: Any = None
    """How other processes prepare images; None if they cannot."""

    def length(self, request: Request) -> int:
        """The number of tokens of a request, including images and answer. Raises RequestError."""
        raise NotImplementedError

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The model inputs of the valid requests, and the errors of the others by position."""
        raise NotImplementedError

    def answer(self, requests: Sequence[Request], inputs: Any) -> Sequence[Answer | RequestError]:
        """One answer, or the error of its row, per request. Raises OutOfMemory."""
        raise NotImplementedError


class Batcher:
    """An engine: queues requests for a backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.description = backend.description
        self.preparation = backend.preparation
        self.busy_seconds = 0.0
        self._pool: list[Waiting] = []
        self._more = threading.Condition()
        self._ready: queue.Queue[Prepared | None] = queue.Queue(maxsize=1)
        self._closed = self._started = False
        self._threads = [
            threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)
            for name, loop in (("prepare", self._prepare), ("answer", self._answer))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, requests: Sequence[Request]) -> list[Future[Answer]]:
        """Queue requests; a future raises RequestError if its row is the cause."""
        futures: list[Future[Answer]] = []
        accepted: list[Waiting] = []
        for request in requests:
            waiting = Waiting(request, 0)
            futures.append(waiting.future)
            try:
                waiting.length = self._backend.length(request)
                accepted.append(waiting)
            except RequestError as error:
                waiting.future.set_exception(error)
        with self._more:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._pool += accepted
            self._more.notify_all()
        return futures

    def check_health(self) -> None:
        """Raise ModelFailed if the engine was closed or one of its threads has ended."""
        if self._closed or not all(thread.is_alive() for thread in self._threads):
            raise ModelFailed("the engine has stopped")

    def close(self) -> None:
        """Stop; queued requests fail."""
        with self._more:
            self._closed = True
            self._more.notify_all()

    def _guard(self, loop: Callable[[], None]) -> None:
        """An error outside any request is an error of the engine: all waiting requests fail with it."""
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - raised for all waiting requests
            self._fail_all(error)

    def _fail_all(self, error: BaseException) -> None:
        with self._more:
            self._closed = True
            waiting, self._pool = self._pool, []
        for w in waiting:
            w.future.set_exception(error)

    def _prepare(self) -> None:
        while (batch := self._next()) is not None:
            self._ready.put(self._inputs(batch))
        self._ready.put(None)
        self._fail_all(RuntimeError("the engine was closed"))

    def _inputs(self, batch: list[Waiting]) -> Prepared:
        try:
            inputs, errors = self._backend.prepare([w.request for w in batch])
        except WorkerDied as error:  # the child process that decodes cannot be started
            for waiting in batch:
                waiting.future.set_exception(error)
            return [], None
        except Exception as error:  # noqa: BLE001 - an unexpected error of one request
            return self._inputs_of_some(batch, error)
        for position, row_error in errors.items():
            batch[position].future.set_exception(row_error)
        return [w for i, w in enumerate(batch) if i not in errors], inputs

    def _inputs_of_some(self, batch: list[Waiting], error: Exception) -> Prepared:
        """Queue half of a batch that could not be prepared again; a single request fails."""
        if len(batch) == 1:
            batch[0].future.set_exception(_at_fault(error))
            return [], None
        middle = len(batch) // 2
        with self._more:
            self._pool[:0] = batch[middle:]
        return self._inputs(batch[:middle])

    def _next(self) -> list[Waiting] | None:
        """The oldest request and those of the most similar length, within the limits; None when closed."""
        with self._more:
            while not self._pool and not self._closed:
                self._more.wait()
            if self._closed:
                return None
            chosen = choose(self._pool if self._started else self._pool[:FIRST_ROWS], self._backend.limits)
            self._started = True
            taken = set(map(id, chosen))
            self._pool = [w for w in self._pool if id(w) not in taken]
            return chosen

    def _answer(self) -> None:
        while (prepared := self._ready.get()) is not None:
            batch, inputs = prepared
            if batch:
                self._resolve(batch, inputs)

    def _resolve(self, batch: list[Waiting], inputs: Any) -> None:
        try:
            answers = self._time([w.request for w in batch], inputs)
        except Exception as error:  # noqa: BLE001 - sorted out below
            del inputs
            self._halve(batch, error)
            return
        for waiting, answer in zip(batch, map(_checked, answers), strict=True):
            if isinstance(answer, RequestError):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)

    def _time(self, requests: Sequence[Request], inputs: Any) -> Sequence[Answer | RequestError]:
        started = time.perf_counter()
        try:
            return self._backend.answer(requests, inputs)
        finally:
            self.busy_seconds += time.perf_counter() - started

    def _halve(self, batch: list[Waiting], error: Exception) -> None:
        if len(batch) == 1:
            batch[0].future.set_exception(_at_fault(error))
            return
        middle = len(batch) // 2
        if isinstance(error, OutOfMemory):
            self._backend.limits.rows = max(1, min(self._backend.limits.rows, middle))
        for half in (batch[:middle], batch[middle:]):
            some, inputs = self._inputs(half)
            if some:
                self._resolve(some, inputs)


def choose(pool: Sequence[Waiting], limits: Limits) -> list[Waiting]:
    """The first request and those with the same options and the most similar length, shortest first."""
    first = pool[0]
    like = sorted(
        (w for w in pool if w.request.options == first.request.options),
        key=lambda w: (w is not first, abs(w.length - first.length)),
    )
    chosen: list[Waiting] = []
    longest = 0
    for waiting in like:
        longest = max(longest, waiting.length)
        if chosen and (len(chosen) >= limits.rows or longest * (len(chosen) + 1) > limits.tokens):
            break
        chosen.append(waiting)
    return sorted(chosen, key=lambda w: w.length)


def _checked(answer: Answer | RequestError) -> Answer | RequestError:
    """An answer, unless its numbers are not finite."""
    import numpy as np

    if isinstance(answer, RequestError):
        return answer
    if answer.vector is not None and not np.isfinite(answer.vector).all():
        return not_finite("the row")
    return answer if math.isfinite(answer.no_speech + answer.language_probability) else not_finite("the row")


def _at_fault(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, OutOfMemory):
        return RequestError(f"the row does not fit into the memory of the device: {error}")
    return RequestError(f"{type(error).__name__}: {error}")
