"""The models of this process: each loaded once, whatever thread asks, and used by several units at a time.

While one unit waits for its model, another one reads, decodes and writes; only one of them does that at any moment.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from datajob.engine.counts.tally import Tally
from datajob.operators.base import Batch, Device, Inferred, Model, ModelCache

_lock = threading.Lock()
_loaded: dict[str, Future[Any]] = {}
_busy: dict[int, float] = {}
"""Seconds of work that were counted, by model."""
_device = Device()
_slot = threading.Lock()
_mine = threading.local()


def use_device(device: Device) -> None:
    """Say what this process was given, before its first model is loaded."""
    global _device
    _device = device


def load_early(operators: Sequence[Model]) -> None:
    """Load models in the background. What goes wrong is raised to the first unit that needs them."""
    for operator in operators:
        threading.Thread(target=_quietly, args=(operator,), name=f"load {operator.key}", daemon=True).start()


def _quietly(operator: Model) -> None:
    with suppress(BaseException):  # raised again to whoever asks for the model
        loaded(operator)


def loaded(operator: Model) -> Any:
    """The step's model; loaded by the first thread that asks, waited for by the others."""
    key = operator.loads()
    with _lock:
        future = _loaded.get(key)
        mine = future is None
        if future is None:
            future = _loaded[key] = Future()
    if mine:
        try:
            future.set_result(operator.setup(_device))
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)
    return future.result()


def run(operator: Model, batch: Batch, tally: Tally, memory: ModelCache | None = None) -> Inferred:
    """Apply a step's model to a batch, and note which process did it, when."""
    model = loaded(operator)
    started = time.time()
    inferred = operator.infer(batch, model, memory)
    tally.reused += inferred.reused
    if answered := len(batch) - inferred.reused:
        worker = tally.worker(f"{socket.gethostname()}/{os.getpid()}", _device.kind).describe(getattr(model, "description", ""))
        worker.add(1, answered, started, time.time(), _newly_busy(model))
    return inferred


def _newly_busy(model: Any) -> float:
    """Seconds that the model was at work since this was asked last, by whatever unit."""
    busy: float = getattr(model, "busy_seconds", 0.0)
    with _lock:
        before = _busy.get(id(model), 0.0)
        _busy[id(model)] = busy
    return busy - before


@contextmanager
def hold_slot() -> Iterator[None]:
    """A unit's own work: reading, the steps that are no models, writing."""
    with _slot:
        _mine.holds_slot = True
        try:
            yield
        finally:
            _mine.holds_slot = False


@contextmanager
def release_slot() -> Iterator[None]:
    """Let other units have the turn for as long as this one waits for its model."""
    held = getattr(_mine, "holds_slot", False)
    if held:
        _slot.release()
    try:
        yield
    finally:
        if held:
            _slot.acquire()
