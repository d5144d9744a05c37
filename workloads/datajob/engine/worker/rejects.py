"""Stores rejected and failed rows: in the rejects folder and in the quarantine, one subfolder per step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING

from datajob.formats._columns import data_bytes
from datajob.formats._parquet_types import as_storable
from datajob.formats.base import ShardWriter
from datajob.formats.folder import Folder
from datajob.formats.parquet import ParquetWriter
from datajob.formats.storage import join

if TYPE_CHECKING:
    import pyarrow as pa


FEW_ROWS = 256
"""Number of rows or tables from which failed rows are written."""
HELD_BYTES = 32 << 20
"""Bytes from which they are written."""


@dataclass(frozen=True)
class RejectFolders:
    """Where a job stores rejected and failed rows. If a path is None, such rows are only counted."""

    rejects: str | None
    quarantine: str | None
    owner: str
    """Prefix of the file names, so that several jobs can share a folder."""

    def open(self, prefix: str) -> RejectWriter:
        """A writer for the rows of one shard."""
        return RejectWriter(self.rejects, self.quarantine, f"{self.owner}-{prefix}")

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the files of the job except those to `keep` (full paths): remains of earlier runs and of crashes."""
        for path in {self.rejects, self.quarantine} - {None}:
            folder = Folder(str(path))
            folder.delete(
                name
                for name in folder.list("", recursive=True)
                if name.rsplit("/", 1)[-1].startswith(f"{self.owner}-") and folder.join(name) not in keep
            )


@dataclass
class CollectedRejects:
    """Rejected and failed rows in memory, in the order in which the steps returned them."""

    stores_rejected: bool = True
    stores_failed: bool = True
    rows: list[tuple[str, list[str] | None, pa.Table, pa.Table | None]] = field(default_factory=list)
    """(step, errors of failed rows, the rows, reasons of rejected rows as a column)"""

    def rejected(self, step: str, reasons: pa.Array, rows: pa.Table) -> None:
        """Collect rows that a step rejected."""
        import pyarrow as pa

        if self.stores_rejected:
            self.rows.append((step, None, rows, pa.table({"reason": reasons})))

    def failed(self, step: str, errors: Sequence[str], rows: pa.Table) -> None:
        """Collect rows on which a step failed."""
        if self.stores_failed:
            self.rows.append((step, list(errors), rows, None))


class RejectWriter:
    """Writes the rejected and failed rows of one shard as Parquet, preceded by the reason or the error.

    Columns that Parquet cannot store become JSON text, so that no row ends a job because it is rejected or fails.
    """

    def __init__(self, rejects: str | None, quarantine: str | None, prefix: str) -> None:
        self._rejects = rejects
        self._quarantine = quarantine
        self._prefix = prefix
        self._writers: dict[tuple[str, pa.Schema], ShardWriter] = {}
        """By root and columns: rows of other columns or types form other files."""
        self._waiting: dict[str, list[pa.Table]] = {}
        """Tables of few rows by root, which are written together: bad records come one at a time."""
        self._held: dict[str, int] = {}
        """Their bytes."""

    def collector(self) -> CollectedRejects:
        """Collects the rows that this writer stores."""
        return CollectedRejects(self._rejects is not None, self._quarantine is not None)

    def write(self, collected: CollectedRejects) -> None:
        """Store collected rows."""
        import pyarrow as pa

        for step, errors, rows, reasons in collected.rows:
            if reasons is None:
                self.failed(step, errors or [], rows)
            else:
                self.rejected(step, pa.concat_arrays(reasons.column(0).chunks), rows)

    def rejected(self, step: str, reasons: pa.Array, rows: pa.Table) -> None:
        """Store rows that a step rejected."""
        if self._rejects is not None:
            self._write(join(self._rejects, f"step={step}"), _marked(rows, step, "_reason", reasons))

    def failed(self, step: str, errors: Sequence[str], rows: pa.Table) -> None:
        """Store rows on which a step failed."""
        import pyarrow as pa

        if self._quarantine is not None:
            self._write(join(self._quarantine, f"step={step}"), _marked(rows, step, "_error", pa.array(errors, pa.string())))

    def _write(self, root: str, rows: pa.Table) -> None:
        from datajob.engine.exchange.byte_files import restored

        for piece in restored(rows):
            waiting = self._waiting.setdefault(root, [])
            if waiting and not waiting[0].schema.equals(piece.schema):
                self._flush(root)
            self._waiting[root].append(piece)
            self._held[root] = self._held.get(root, 0) + data_bytes(piece)
            if piece.num_rows >= FEW_ROWS or len(self._waiting[root]) >= FEW_ROWS or self._held[root] >= HELD_BYTES:
                self._flush(root)

    def _flush(self, root: str) -> None:
        import pyarrow as pa

        from datajob.engine.exchange.blocks import typed

        tables, self._waiting[root], self._held[root] = self._waiting[root], [], 0
        if not tables:
            return
        rows = as_storable(pa.concat_tables(tables).combine_chunks() if len(tables) > 1 else tables[0])
        key = (root, typed(rows.schema))
        if key not in self._writers:
            others = sum(known == root for known, _ in self._writers)
            prefix = f"{self._prefix}-{others}" if others else self._prefix
            self._writers[key] = ParquetWriter(path=root, types="exact").open(root, prefix, key[1])
        self._writers[key].write(rows)

    def close(self) -> list[str]:
        """Complete the files and return their full paths."""
        for root in list(self._waiting):
            self._flush(root)
        return [join(root, f.path) for (root, _), writer in self._writers.items() for f in writer.close()]

    def abort(self) -> None:
        """Delete what was written. Never raises."""
        for writer in self._writers.values():
            writer.abort()


def _marked(rows: pa.Table, step: str, name: str, explanation: pa.Array) -> pa.Table:
    """The rows behind the columns `_step` and `name`. A column of the rows with such a name gets a number."""
    import pyarrow as pa

    names = ["_step", name]
    for column in rows.column_names:
        free = (f"{column}_{i}" for i in count(1))
        taken = {*names, *rows.column_names} if column in names else set()
        names.append(next(new for new in chain([column], free) if new not in taken))
    return pa.table([pa.repeat(pa.scalar(step), rows.num_rows), explanation, *rows.columns], names=names)
