"""Where rows that leave the job on the way go: the rejects folder and the quarantine, one subfolder per step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.formats.base import ShardWriter
from datajob.formats.folder import Folder
from datajob.formats.parquet import ParquetWriter
from datajob.formats.storage import join

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RejectFolders:
    """Where a job keeps dropped rows. Either path may be None: such rows are only counted."""

    rejects: str | None
    quarantine: str | None
    owner: str
    """Names of files begin with this, so that several jobs may share a folder and each knows its own."""

    def open(self, prefix: str) -> RejectWriter:
        """Takes the dropped rows of one unit."""
        return RejectWriter(self.rejects, self.quarantine, f"{self.owner}-{prefix}")

    def sweep(self, keep: Collection[str]) -> None:
        """Delete the job's own files but those to `keep` (full paths): what an earlier recipe or a crash left."""
        for path in {self.rejects, self.quarantine} - {None}:
            folder = Folder(str(path))
            folder.delete(
                name
                for name in folder.list("", recursive=True)
                if name.rsplit("/", 1)[-1].startswith(f"{self.owner}-") and folder.join(name) not in keep
            )


class RejectWriter:
    """Writes one unit's dropped rows as Parquet, their reason or error in front."""

    def __init__(self, rejects: str | None, quarantine: str | None, prefix: str) -> None:
        self._rejects = rejects
        self._quarantine = quarantine
        self._prefix = prefix
        self._writers: dict[str, ShardWriter] = {}

    def rejected(self, step: str, reasons: pa.Array, rows: pa.Table) -> None:
        """Keep rows that a step dropped."""
        if self._rejects is not None:
            self._write(join(self._rejects, f"step={step}"), _marked(rows, step, "_reason", reasons))

    def failed(self, step: str, errors: Sequence[str], rows: pa.Table) -> None:
        """Keep rows that made a step fail."""
        import pyarrow as pa

        if self._quarantine is not None:
            self._write(join(self._quarantine, f"step={step}"), _marked(rows, step, "_error", pa.array(errors, pa.string())))

    def _write(self, root: str, rows: pa.Table) -> None:
        from datajob.engine.exchange.blocks import typed

        if root not in self._writers:
            self._writers[root] = ParquetWriter(path=root).open(root, self._prefix, typed(rows.schema))
        self._writers[root].write(rows)

    def close(self) -> list[str]:
        """Finish the files; their full paths."""
        return [join(root, f.path) for root, writer in self._writers.items() for f in writer.close()]

    def abort(self) -> None:
        """Leave nothing; never raises."""
        for writer in self._writers.values():
            writer.abort()


def _marked(rows: pa.Table, step: str, name: str, why: pa.Array) -> pa.Table:
    import pyarrow as pa

    steps = pa.repeat(pa.scalar(step), rows.num_rows)
    keep = [c for c in rows.column_names if c not in ("_step", name)]
    return pa.table([steps, why, *(rows.column(c) for c in keep)], names=["_step", name, *keep])
