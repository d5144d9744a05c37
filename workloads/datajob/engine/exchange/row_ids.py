"""Ids of rows within a phase: the same whatever the cluster, and in the order of the input. And files about rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ROW_BITS = 36
"""A row's id is its unit's number, shifted by this, plus its position in the unit."""


@dataclass(frozen=True)
class RowNumbers:
    """Numbers the units of a phase from `start` on: below zero for units that come before those of the job."""

    start: int = 0

    def first(self, shard: int) -> int:
        """The id of the first row of the unit with this index."""
        return (self.start + shard) << ROW_BITS


JOB_ROWS = RowNumbers()
"""The rows of the job itself."""


@dataclass(frozen=True)
class Ranges:
    """Cuts the units numbered `start` to `end` in `parts` consecutive groups."""

    start: int
    end: int
    parts: int

    def part_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group of each row's unit."""
        found: NDArray[np.int64] = ((rows >> ROW_BITS) - self.start) * self.parts // (self.end - self.start)
        return found

    def of_part(self, part: int) -> tuple[int, int]:
        """The half-open range of the ids of a group's rows."""
        shards = [self.start - (self.start - self.end) * edge // self.parts for edge in (part, part + 1)]
        return shards[0] << ROW_BITS, shards[1] << ROW_BITS


@dataclass(frozen=True)
class RowFiles:
    """Parquet files about rows (column `row`: ids, ascending in each)."""

    root: str
    names: tuple[str, ...] = ()
    ranges: Ranges | None = None
    """If set, file i is about the rows of group i, and no other."""

    def read(self, numbers: RowNumbers, shard: int) -> pa.Table:
        """What they say about the rows of a unit. `row` becomes the position in the unit; ascending."""
        import numpy as np
        import pyarrow as pa

        first, end = numbers.first(shard), numbers.first(shard + 1)
        names = self.names
        if self.ranges is not None:
            part = int(self.ranges.part_of(np.array([first]))[0])
            names = names[part : part + 1]
        rows = self.between(first, end, names)
        return rows.set_column(0, "row", pa.array(rows.column("row").to_numpy() - first))

    def between(self, first: int, end: int, names: tuple[str, ...]) -> pa.Table:
        """What the files called `names` say about the rows of a half-open range of ids, ascending."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = []
        for name in names:
            with Folder(self.root).open_input(name) as file:
                found.append(pq.read_table(file, filters=[("row", ">=", first), ("row", "<", end)]))
        if not found:
            return pa.table({"row": pa.array([], pa.int64())})
        return pa.concat_tables(found).sort_by("row")
