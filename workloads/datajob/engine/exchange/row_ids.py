"""IDs of rows within a stage, and files that refer to rows by ID.

IDs ascend in the order of the input and do not depend on the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ROW_BITS = 36
"""The ID of a row is the number of its shard, shifted by this many bits, plus its position in the shard."""


@dataclass(frozen=True)
class RowNumbers:
    """Numbers the shards of a stage from `start` on. Shards that come before those of the job have negative numbers."""

    start: int = 0

    def first(self, shard: int) -> int:
        """The ID of the first row of the shard with this index."""
        return (self.start + shard) << ROW_BITS


JOB_ROWS = RowNumbers()
"""Numbers of the shards of the job itself."""


@dataclass(frozen=True)
class Ranges:
    """Divides the shards numbered `start` to `end` into `parts` consecutive groups."""

    start: int
    end: int
    parts: int

    def part_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group of the shard of each row."""
        found: NDArray[np.int64] = ((rows >> ROW_BITS) - self.start) * self.parts // (self.end - self.start)
        return found

    def of_part(self, part: int) -> tuple[int, int]:
        """The half-open range of the row IDs of a group."""
        shards = [self.start - (self.start - self.end) * edge // self.parts for edge in (part, part + 1)]
        return shards[0] << ROW_BITS, shards[1] << ROW_BITS


@dataclass(frozen=True)
class RowFiles:
    """Parquet files about rows (column `row`: IDs, ascending in each file)."""

    root: str
    names: tuple[str, ...] = ()
    ranges: Ranges | None = None
    """If set, file i is only about rows of group i."""

    def read(self, numbers: RowNumbers, shard: int) -> pa.Table:
        """The entries about the rows of a shard. `row` becomes the position in the shard, ascending."""
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
        """The entries of the files `names` about a half-open range of row IDs, ascending."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = []
        for name in names:
            with Folder(self.root).open_input(name) as file:
                found.append(pq.read_table(file, filters=[("row", ">=", first), ("row", "<", end)]))
        if not found:
            return pa.table({"row": pa.array([], pa.int64())})
        return pa.concat_tables(found).sort_by("row")


@dataclass(frozen=True)
class FailedRows:
    """Rows of a stage that failed after they were stored: their shards' Parquet files, by index (column `row`: IDs)."""

    root: str
    files: Mapping[int, str] = field(default_factory=dict)

    def positions(self, shard: int) -> NDArray[np.int64]:
        """Positions of the failed rows in a shard, ascending."""
        import numpy as np

        if shard not in self.files:
            return np.zeros(0, dtype=np.int64)
        rows = RowFiles(self.root, (self.files[shard],)).read(JOB_ROWS, shard)
        return np.asarray(rows.column("row").to_numpy())
