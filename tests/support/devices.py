"""Models on devices that do not exist: they wait instead of computing, and fail in various ways."""

import os
import signal
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Device, Inferred, Map, Model, ModelOutputCache, ModelResources
from hack.cluster.waiting import wait_for


class Simulated:
    """A device that processes one batch at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.busy_seconds = 0.0
        self.calls = 0
        self.description = "a simulated device"

    def occupy(self, seconds: float) -> None:
        with self.lock:
            self.calls += 1
            time.sleep(seconds)
            self.busy_seconds += seconds


class Occupy(Model):
    """Occupies a device for a while per row, and names the row."""

    milliseconds: float = 1.0
    output: str = "caption"
    share: float = 1.0
    die_once_at: int | None = None
    """Row that ends the process the first time."""
    die_at: int | None = None
    """Row that ends every process."""
    lost_after: int | None = None
    """The device of the first process fails after this number of calls."""
    broken: bool = False
    """The device that is the first to be used fails in every process."""
    prepares: bool = False
    """Rows are prepared by the processes that read them, which is logged."""
    together: int = 1
    """Number of processes that must have received rows before the first of them answers."""
    missing: bool = False
    """The model does not exist."""
    place: str = ""
    """Folder of the marks that processes leave for each other, and of the log of devices."""

    def needs(self) -> ModelResources:
        return ModelResources(accelerators=self.share, cpus=0.0)

    def setup(self, device: Device) -> Simulated:
        if self.missing:
            raise InvalidJob("the model does not exist")
        return Simulated()

    def preparation(self, model: Any) -> str | None:
        return f"for {os.getpid()}" if self.prepares else None

    def prepare(self, batch: Batch, preparation: str) -> pa.Table:
        log(self.place, "prepared", f"{os.getpid()} {len(batch)} {preparation}")
        return batch.table.set_column(1, "text", pa.array([f"prepared {text}" for text in batch.table["text"].to_pylist()]))

    def infer(self, batch: Batch, model: Any, cache: ModelOutputCache | None = None) -> Inferred:
        rows = batch.table.column("id").to_pylist()
        if self.die_at in rows or (self.die_once_at in rows and mark(self.place, "died")):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.lost_after is not None and model.calls >= self.lost_after and mine(self.place, "lost"):
            raise RuntimeError("the device is lost")
        if self.broken and is_first_device(self.place):
            raise RuntimeError("the device is broken")
        if self.together > 1:
            meet(self.place, self.together)
        known = {} if cache is None else cache.known
        new = [row for row in rows if str(row) not in known]
        began = time.time()
        model.occupy(self.milliseconds * len(new) / 1000)
        if cache is not None and new:
            cache.store({str(row): {"text": f"{self.output} {row}"} for row in new})
        if self.place:
            log(self.place, self.output, f"{began} {time.time()} {len(new)}")
        if self.prepares:
            ready = sum(text.startswith("prepared ") for text in batch.table["text"].to_pylist())
            log(self.place, "received", f"{os.getpid()} {ready} {len(batch)}")
        answers = [known[str(row)]["text"] if str(row) in known else f"{self.output} {row}" for row in rows]
        return Inferred({self.output: pa.array(answers)}, reused=len(rows) - len(new))


class FailHere(Map):
    """Raises, or ends its process, on the machine that was the first to run it."""

    place: str
    dies: bool = False

    def apply(self, batch: Batch) -> pa.Table:
        import ray

        if is_first(self.place, "bad", ray.get_runtime_context().get_node_id()):
            if self.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("a library is missing on this machine")
        return batch.table


def meet(place: str, processes: int) -> None:
    """Wait until this number of processes has called it."""
    Path(place, f"met-{os.getpid()}").touch()
    wait_for(lambda: len(list(Path(place).glob("met-*"))) >= processes, f"{processes} processes", every=0.02)


def is_first_device(place: str) -> bool:
    """True for the device that was the first to call it."""
    import ray

    return is_first(place, "broken", ",".join(ray.get_runtime_context().get_accelerator_ids()["GPU"]))


def is_first(place: str, name: str, value: str) -> bool:
    """True for the value that was the first one, in all processes."""
    with suppress(FileExistsError):
        mine = Path(place, f"{name}-{uuid.uuid4().hex}")
        mine.write_text(value)
        os.link(mine, Path(place, name))
    return Path(place, name).read_text() == value


def log(place: str, name: str, line: str) -> None:
    """Append a line to the log of this process."""
    with Path(place, f"{name}-{os.getpid()}.log").open("a") as file:
        file.write(line + "\n")


def mark(place: str, name: str) -> bool:
    """True for the first caller."""
    try:
        Path(place, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def mine(place: str, name: str) -> bool:
    """True for the process that called it first, whenever it calls."""
    return is_first(place, name, str(os.getpid()))
