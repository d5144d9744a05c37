"""Commit records: one small JSON file per finished unit, written once, atomically, after the unit's files are in place.

A unit whose record is there is done; one without is done again, over files of the same names.
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

AT_ONCE = 256
"""Records read ahead: one may hold megabytes of sketches."""


@dataclass
class Record:
    """What a finished unit leaves behind."""

    index: int
    key: str
    tally: Tally
    rows: int = 0
    """Rows that the unit passed on."""
    files: list[OutputFile] = field(default_factory=list)
    """Files of the result, relative to the sink."""
    reject_files: list[str] = field(default_factory=list)
    """Full paths of rejects and quarantine files."""
    schema: str | None = None
    """Columns and types of the rows it passed on."""
    began: float = 0.0
    """Unix time at which a worker of this attempt began with it."""

    def to_json(self) -> bytes:
        """As stored."""
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
    """The commit records of one phase below a sink."""

    def __init__(self, sink: str, stage: str) -> None:
        self._folder = Folder(sink)
        self._sub = f"{BOOKKEEPING}/commits/{stage}"

    def commit(self, record: Record) -> None:
        """Declare a unit done."""
        self._folder.write(f"{self._sub}/{record.key}.json", record.to_json())

    def load(self, shards: Sequence[Shard]) -> Iterator[Record]:
        """Records of those `units` that are done, with the unit's index now; no more than AT_ONCE are held here."""
        names = self._folder.list(self._sub)
        return self._records([u for u in shards if f"{self._sub}/{u.key}.json" in names])

    def _records(self, shards: Sequence[Shard]) -> Iterator[Record]:
        with ThreadPoolExecutor(16) as pool:
            for start in range(0, len(shards), AT_ONCE):
                yield from pool.map(self._read, shards[start : start + AT_ONCE])

    def _read(self, shard: Shard) -> Record:
        record = Record.from_json(self._folder.read(f"{self._sub}/{shard.key}.json"))
        record.index = shard.index
        return record

    def forget(self, keys: list[str]) -> None:
        """Drop records, for instance of units whose files are gone."""
        self._folder.delete(f"{self._sub}/{key}.json" for key in keys)
