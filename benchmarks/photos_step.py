"""The step of `benchmarks.photos`: llava with its real processor, and a device that waits instead of computing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Answer, Engine, Request, Settings
from datajob.operators.inference._engines.batching import Batcher, Limits
from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference._engines.loading import load_processor
from datajob.operators.inference._engines.prompting import Prompter
from datajob.operators.inference._engines.tiling import tiling_of
from datajob.operators.inference.llava import Llava


class Photos(Llava):
    """llava without weights."""

    log: str
    milliseconds: float
    """Of the device per photo."""
    prepares: bool

    def setup(self, device: Device) -> Engine:
        """The engine."""
        return Batcher(_Simulated(self.settings(), self.log, self.milliseconds, self.prepares))


class _Simulated(Generator):
    """A generator whose device waits."""

    def __init__(self, settings: Settings, log: str, milliseconds: float, prepares: bool) -> None:
        self.processor = load_processor(settings)
        self.preparation = tiling_of(self.processor, settings.model, settings.revision) if prepares else None
        self.limits = Limits(tokens=65_536, rows=16)
        self.description = "a simulated device"
        self._prompter = Prompter(self.processor, True)
        self._vision = True
        self.longest = None
        self._log, self._milliseconds = Path(log), milliseconds

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """Wait, and log the CPU time of this process."""
        time.sleep(self._milliseconds * len(requests) / 1000)
        with self._log.open("a") as log:
            log.write(f"{time.time()} {time.process_time()} {len(requests)}\n")
        return [Answer(str(tuple(inputs["pixel_values"].shape[1:]))) for _ in requests]
