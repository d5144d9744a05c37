"""Commit records: one small JSON file per completed shard, written atomically once the files of the shard are in place.

A shard with a record is complete. A shard without one runs again and replaces its files by files of the same names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.formats.base import OutputFile
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

READ_AT_ONCE = 256
"""Records that are in memory at once: a single record may hold megabytes of sketches."""


@dataclass
class Record:
    """The commit record of a shard."""

    index: int
    key: str
    tally: Tally
    rows: int = 0
    """Rows that the shard passed on."""
    files: list[OutputFile] = field(default_factory=list)
    """Files of the result, relative to the sink."""
    reject_files: list[str] = field(default_factory=list)
    """Full paths of the files with rejected and failed rows."""
    schema: str | None = None
    """Columns and types of the rows that the shard passed on: an Arrow schema in base64. None without rows."""
    began: float = 0.0
    """Unix time at which a worker of this attempt started the shard."""

    def to_json(self) -> bytes:
        """The content of the file."""
        data: dict[str, Any] = {**vars(self), "tally": self.tally.to_json(), "files": [asdict(f) for f in self.files]}
        return json.dumps(data, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Record:
        """The inverse of `to_json`."""
        raw = json.loads(data)
        raw["tally"] = Tally.from_json(raw["tally"])
        raw["files"] = [OutputFile(**f) for f in raw["files"]]
        return cls(**raw)


class Ledger:
    """The commit records of one stage."""

    def __init__(self, sink: str, stage: str) -> None:
        self._folder = Folder(sink)
        self._stage_folder = f"{BOOKKEEPING}/commits/{stage}"

    def commit(self, record: Record) -> None:
        """Mark a shard as complete."""
        self._folder.write(f"{self._stage_folder}/{record.key}.json", record.to_json())

    def load(self, shards: Sequence[Shard]) -> Iterator[Record]:
        """Records of the complete shards among `shards`, with their current index. Holds at most READ_AT_ONCE records."""
        names = self._folder.list(self._stage_folder)
        return self._records([s for s in shards if f"{self._stage_folder}/{s.key}.json" in names])

    def _records(self, shards: Sequence[Shard]) -> Iterator[Record]:
        with ThreadPoolExecutor(16) as pool:
            for start in range(0, len(shards), READ_AT_ONCE):
                yield from pool.map(self._read, shards[start : start + READ_AT_ONCE])

    def _read(self, shard: Shard) -> Record:
        record = Record.from_json(self._folder.read(f"{self._stage_folder}/{shard.key}.json"))
        record.index = shard.index
        return record

    def forget(self, keys: list[str]) -> None:
        """Delete records, for instance of shards whose files are missing."""
        self._folder.delete(f"{self._stage_folder}/{key}.json" for key in keys)
