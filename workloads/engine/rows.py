"""Ids of rows within a phase: the same whatever the cluster, and in the order of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.formats.storage import Folder

if TYPE_CHECKING:
    import pyarrow as pa

ROW_BITS = 36
"""A row's id is its unit's number, shifted by this, plus its position in the unit."""


@dataclass(frozen=True)
class RowNumbers:
    """Numbers the units of a phase from `start` on: below zero for units that come before those of the job."""

    start: int = 0

    def first(self, unit: int) -> int:
        """The id of the first row of the unit with this index."""
        return (self.start + unit) << ROW_BITS

    def read(self, root: str, names: Sequence[str], unit: int) -> pa.Table:
        """Those rows of some Parquet files (column `row`: ids, ascending in each) that are about the unit.

        `row` becomes the position in the unit; ascending.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        first, end = self.first(unit), self.first(unit + 1)
        found = []
        for name in names:
            with Folder(root).open_input(name) as file:
                found.append(pq.read_table(file, filters=[("row", ">=", first), ("row", "<", end)]))
        if not found:
            return pa.table({"row": pa.array([], pa.int64())})
        rows = pa.concat_tables(found).sort_by("row")
        return rows.set_column(0, "row", pa.array(rows.column("row").to_numpy() - first))


OF_THE_JOB = RowNumbers()
"""The rows of the job itself."""
