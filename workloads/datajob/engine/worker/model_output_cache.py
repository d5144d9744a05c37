"""What models said of the rows of units that are not done yet, beside the sink.

A unit whose process was killed is run again; its model is then asked about the rows that are not here, and no others.
The commit record of the unit makes its answers superfluous.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import Any

from datajob.engine.exchange.blocks import BlockWriter, read_blocks
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

MODEL_OUTPUTS = f"{BOOKKEEPING}/model-outputs"


class ModelOutputCache:
    """Those of one unit, by step. Small files of Arrow blocks, each written at once, because objects cannot be appended to."""

    def __init__(self, sink: str, stage: str, key: str) -> None:
        self._sink = sink
        self._folder = f"{MODEL_OUTPUTS}/{stage}/{key}"
        self._lock = threading.Lock()
        self._steps: dict[str, StepModelOutputs] | None = None

    def of(self, step: str) -> StepModelOutputs:
        """The answers of a step; those of earlier attempts are read when the first one is asked for."""
        with self._lock:
            if self._steps is None:
                self._steps = {}
                for name in Folder(self._sink).list(self._folder):
                    for table in read_blocks(self._sink, name):
                        for row in table.to_pylist():
                            self._step(row.pop("_step")).known[row.pop("_key")] = row
            return self._step(step)

    def _step(self, name: str) -> StepModelOutputs:
        assert self._steps is not None
        return self._steps.setdefault(name, StepModelOutputs(name, self._sink, self._folder))

    def forget(self) -> None:
        """Delete them: the unit is done."""
        folder = Folder(self._sink)
        folder.delete(folder.list(self._folder))


class StepModelOutputs:
    """What a step's model said, by a key that stands for the content of the row. A `Memory` of operators."""

    def __init__(self, step: str, sink: str, folder: str) -> None:
        self.known: dict[str, Mapping[str, Any]] = {}
        """Of earlier attempts."""
        self._step, self._sink, self._folder = step, sink, folder

    def keep(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Write answers to a file of their own."""
        import pyarrow as pa

        rows = [{"_step": self._step, "_key": key, **answer} for key, answer in found.items()]
        file = BlockWriter(self._sink, f"{self._folder}/{uuid.uuid4().hex}.arrow")
        try:
            file.write(pa.Table.from_pylist(rows))
            file.close()
        except BaseException:
            file.abort()
            raise
