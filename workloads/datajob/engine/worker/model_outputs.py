"""Model outputs for the rows of shards that are not committed yet, stored in the sink.

If a process is killed, its shard runs again: outputs that are stored here are reused, and the model processes only the
other rows. Once the shard is committed, its outputs are deleted.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from datajob.engine.exchange.blocks import BlockWriter, read_blocks
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

MODEL_OUTPUTS = f"{BOOKKEEPING}/model-outputs"
FILE_SECONDS = 0.5
"""Minimum time between two files of a step and shard."""


class ShardModelOutputs:
    """The model outputs of one shard, by step.

    They are stored as many small files of Arrow blocks, because objects in a store cannot be appended to.
    """

    def __init__(self, sink: str, stage: str, key: str) -> None:
        self._place = (sink, stage, key)
        self._sink = sink
        self._folder = f"{MODEL_OUTPUTS}/{stage}/{key}"
        self._lock = threading.Lock()
        self._steps: dict[str, StepModelOutputs] | None = None

    def of(self, step: str) -> StepModelOutputs:
        """The outputs of a step. The first call reads the outputs of earlier attempts."""
        with self._lock:
            if self._steps is None:
                self._steps = {}
                for name in Folder(self._sink).list(self._folder):
                    for table in read_blocks(self._sink, name):
                        for row in table.to_pylist():
                            self._step(row.pop("_step")).known[row.pop("_key")] = row
            return self._step(step)

    def unread(self, step: str) -> StepModelOutputs:
        """Like `of`, if there are no outputs of earlier attempts."""
        with self._lock:
            self._steps = self._steps if self._steps is not None else {}
            return self._step(step)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShardModelOutputs) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    def __reduce__(self) -> tuple[type[ShardModelOutputs], tuple[str, str, str]]:
        return ShardModelOutputs, self._place

    def _step(self, name: str) -> StepModelOutputs:
        assert self._steps is not None
        return self._steps.setdefault(name, StepModelOutputs(name, self._sink, self._folder))

    def forget(self) -> None:
        """Delete the outputs: the shard is committed."""
        folder = Folder(self._sink)
        folder.delete(folder.list(self._folder))


class StepModelOutputs:
    """The outputs of the model of one step, by a hash of the content of the row. Implements `ModelOutputCache`."""

    def __init__(self, step: str, sink: str, folder: str) -> None:
        self.known: dict[str, Mapping[str, Any]] = {}
        """Outputs of earlier attempts."""
        self._step, self._sink, self._folder = step, sink, folder
        self._lock = threading.Lock()
        self._unwritten: dict[str, Mapping[str, Any]] = {}
        self._written = -math.inf

    def store(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Write outputs to a new file, or together with those of a later call if there was a file a moment ago."""
        with self._lock:
            self._unwritten.update(found)
            if time.monotonic() - self._written < FILE_SECONDS:
                return
            found, self._unwritten, self._written = self._unwritten, {}, time.monotonic()
        self._write(found)

    def flush(self) -> None:
        """Write what `store` has not written yet."""
        with self._lock:
            found, self._unwritten = self._unwritten, {}
        if found:
            self._write(found)

    def _write(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        import pyarrow as pa

        rows = [{"_step": self._step, "_key": key, **output} for key, output in found.items()]
        file = BlockWriter(self._sink, f"{self._folder}/{uuid.uuid4().hex}.arrow")
        try:
            file.write(pa.Table.from_pylist(rows))
            file.close()
        except BaseException:
            file.abort()
            raise
