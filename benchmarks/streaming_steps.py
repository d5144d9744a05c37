"""The steps of `benchmarks.streaming`: one that only uses the CPU, and a model that only occupies its device."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.operators.base import Batch, Device, Inferred, Map, Model, ModelOutputCache, ModelResources

if TYPE_CHECKING:
    import pyarrow as pa


def burn(milliseconds: float, log: str) -> None:
    """Use the CPU for this long, in Python like a user's function. Waiting for a core does not count."""
    with suppress(FileExistsError):
        Path(log).mkdir(parents=True, exist_ok=True)
        with Path(log, "began").open("x") as file:
            file.write(str(time.time()))
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        sum(range(200))


class Burn(Map):
    """Uses the CPU for a number of milliseconds per row."""

    milliseconds: float
    log: str

    def apply(self, batch: Batch) -> pa.Table:
        """The same rows."""
        burn(self.milliseconds * len(batch), self.log)
        return batch.table


class SimulatedDevice:
    """A device that processes one batch at a time, without using the CPU. Each batch is a line of a log."""

    def __init__(self, log: str, milliseconds: float) -> None:
        Path(log).mkdir(parents=True, exist_ok=True)
        self._log = Path(log, f"{os.getpid()}.log")
        self._lock = threading.Lock()
        self._milliseconds = milliseconds
        self.description = "a simulated device"
        self.busy_seconds = 0.0

    def occupy(self, rows: int) -> None:
        """Occupy the device with this number of rows."""
        with self._lock:
            began = time.time()
            time.sleep(self._milliseconds * rows / 1000)
            ended = time.time()
            self.busy_seconds += ended - began
            with self._log.open("a") as log:
                log.write(f"{began} {ended} {rows}\n")


class Occupy(Model):
    """Occupies a device for a number of milliseconds per row."""

    milliseconds: float
    log: str

    def needs(self) -> ModelResources:
        """A device, and no core."""
        return ModelResources(accelerators=1.0, cpus=0.0)

    def setup(self, device: Device) -> SimulatedDevice:
        """The device of this process."""
        return SimulatedDevice(self.log, self.milliseconds)

    def infer(self, batch: Batch, model: Any, cache: ModelOutputCache | None = None) -> Inferred:
        """A caption for each row."""
        import pyarrow as pa

        model.occupy(len(batch))
        return Inferred({"caption": pa.array([f"row {i}" for i in batch.table.column("id").to_pylist()])})
