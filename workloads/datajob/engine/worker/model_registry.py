"""The models of this process: each is loaded once and used by several shards at a time.

While one shard waits for its model, another one reads, decodes and writes. Only the shard that holds the slot does so.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

from datajob.engine.counts.tally import Tally
from datajob.operators.base import Batch, Device, Inferred, Model, ModelOutputCache

_lock = threading.Lock()
_loaded: dict[str, Future[Any]] = {}
_busy: dict[int, float] = {}
"""Busy seconds that were already counted, by model."""
_device = Device()
_slot = threading.Lock()
_mine = threading.local()


def use_device(device: Device) -> None:
    """Set the device of this process. Must be called before the first model is loaded."""
    global _device
    _device = device


def load_early(operators: Sequence[Model]) -> None:
    """Load models in the background. Errors are raised when the first shard needs the model."""
    for operator in operators:
        threading.Thread(target=_quietly, args=(operator,), name=f"load {operator.key}", daemon=True).start()


def _quietly(operator: Model) -> None:
    with suppress(BaseException):  # raised again by `get_or_load`
        get_or_load(operator)


def get_or_load(operator: Model) -> Any:
    """The model of a step. The first thread loads it; the others wait."""
    key = operator.loads()
    with _lock:
        future = _loaded.get(key)
        mine = future is None
        if future is None:
            future = _loaded[key] = Future()
    if mine:
        try:
            future.set_result(operator.setup(_device))
        except BaseException as error:  # noqa: BLE001 - raised by `future.result`
            future.set_exception(error)
    return future.result()


class Stopped(Exception):
    """The run ended while a shard waited."""


class Queue:
    """The shards of one run that wait for models of this process. Each shard has a thread, which joins the queue."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified when a shard starts to wait."""
        self.stopped = False
        self._waiting: dict[int, tuple[int, int]] = {}

    def join(self) -> None:
        """Count the shard of the current thread from now on."""
        _mine.queue = self

    def waiting(self) -> list[tuple[int, int]]:
        """The rows and bytes of each shard that waits."""
        with self.changed:
            return list(self._waiting.values())

    def stop(self) -> None:
        """Let every shard fail as soon as its model has answered. Requests to endpoints are cancelled."""
        with self.changed:
            self.stopped = True
            threads = list(self._waiting)
        with _lock:
            loaded = [f.result() for f in _loaded.values() if f.done() and f.exception() is None]
        for model in loaded:
            if callable(cancel := getattr(model, "cancel", None)):
                cancel(threads)

    @contextmanager
    def wait(self, batch: Batch) -> Iterator[None]:
        """Count the shard of the current thread as waiting."""
        with self.changed:
            _check_stopped()
            self._waiting[threading.get_ident()] = (len(batch), batch.table.nbytes)
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                del self._waiting[threading.get_ident()]


def infer(operator: Model, batch: Batch, tally: Tally, cache: ModelOutputCache | None = None) -> Inferred:
    """Apply the model of a step to a batch, and count the activity of this process."""
    queue: Queue | None = getattr(_mine, "queue", None)
    with queue.wait(batch) if queue else nullcontext():
        model = get_or_load(operator)
        started = time.time()
        batch.failures = {}
        inferred = operator.infer(batch, model, cache)
        if batch.failures:
            inferred = replace(inferred, failed={**inferred.failed, **batch.failures})
    tally.reused += inferred.reused
    for use in inferred.used:
        tally.use_endpoint(use)
    if processed := len(batch) - inferred.reused:
        worker = tally.worker(f"{socket.gethostname()}/{os.getpid()}", _device.kind).describe(getattr(model, "description", ""))
        worker.add(1, processed, started, time.time(), _newly_busy(model))
    return inferred


def _newly_busy(model: Any) -> float:
    """Busy seconds of the model since the last call of this function, for whichever shard."""
    busy: float = getattr(model, "busy_seconds", 0.0)
    with _lock:
        before = _busy.get(id(model), 0.0)
        _busy[id(model)] = busy
    return busy - before


@contextmanager
def hold_slot() -> Iterator[None]:
    """Hold the slot of this process: reading, steps without a model, writing. Raises Stopped if the run has ended."""
    with _slot:
        _check_stopped()
        _mine.holds_slot = True
        try:
            yield
        finally:
            _mine.holds_slot = False


@contextmanager
def release_slot() -> Iterator[None]:
    """Release the slot while this shard waits for its model. Raises Stopped if the run has ended meanwhile."""
    held = getattr(_mine, "holds_slot", False)
    if held:
        _slot.release()
    try:
        yield
    finally:
        if held:
            _slot.acquire()
            _check_stopped()


def _check_stopped() -> None:
    queue: Queue | None = getattr(_mine, "queue", None)
    if queue is not None and queue.stopped:
        raise Stopped("The run has ended.")
