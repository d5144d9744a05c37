"""Connected components of more edges than one process should hold, computed over partitions.

Alternating large-star and small-star operations (Kiveris et al. 2014, Connected Components in MapReduce and Beyond): each
row connects its neighbors to the smallest of them, until every component is a star around its first row. Each operation
is a stage over ranges of rows. A worker holds the edges of its range, which include those of the largest component if its
first row is in the range. The number of operations grows with the logarithm of the longest chain.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.counts.tally import Tally
from datajob.engine.dedup.tasks import write_rows
from datajob.engine.exchange.blocks import BlockWriter, read_partition
from datajob.engine.exchange.row_ids import Ranges, RowFiles
from datajob.engine.stage import Context, Records, Stage, intermediate_folder
from datajob.engine.worker.task import Task
from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Edges = tuple[NDArray[np.int64], NDArray[np.int64]]

Mode = Literal["spread", "large", "small", "finish"]


@dataclass(frozen=True)
class LinkTask(Task):
    """One operation on one partition: `spread` routes the edges of a file; `finish` writes the stars."""

    mode: Mode
    sources: tuple[str, ...]
    """Edge files, one per shard (`spread`), or the files of an exchange."""
    ranges: Ranges
    with_first: bool

    def name(self, shard: Shard) -> str:
        """The file that the shard writes: an exchange or, for `finish`, Parquet."""
        return f"{intermediate_folder(self.stage)}/{shard.key}.{'parquet' if self.mode == 'finish' else 'arrow'}"

    def process(self, shard: Shard) -> Record:
        """Apply the operation. The rows of the record are the changed edges: the algorithm ends when there are none."""
        if self.mode == "spread":
            left, right, changes = *_both(*_read(self.sink, self.sources[shard.index])), 0
        else:
            found = read_partition(self.sink, self.sources, shard.index, self.ranges.parts)
            left, right, changes = _OPERATIONS[self.mode](*_columns(found))
        if self.mode == "finish":
            keep = (left != right) | self.with_first
            write_rows(self.sink, self.name(shard), _table(left[keep], right[keep]))
        else:
            file = BlockWriter(self.sink, self.name(shard))
            file.write_partitions(_table(left, right), self.ranges.part_of(left), self.ranges.parts)
            file.close()
        return Record(shard.index, shard.key, Tally(), changes)


def link(
    context: Context, name: str, fingerprint: str, edges: Sequence[str], ranges: Ranges, with_first: bool
) -> Generator[Stage, Records, RowFiles]:
    """The stages that find connected components from files of edges (`row`, `kept`).

    Returns files of the members, each with the first row of its component.
    """

    def apply(mode: Mode, number: int, sources: Sequence[str]) -> Generator[Stage, Records, tuple[list[str], int]]:
        stage = f"{name}-{mode}-{number}"
        task = LinkTask(context.sink, stage, mode, tuple(sources), ranges, with_first)
        count = len(sources) if mode == "spread" else ranges.parts
        shards = make_shards(digest(fingerprint, stage), list(range(count)), [1] * count)
        records = yield Stage(stage, task, tuple(shards))
        return [task.name(s) for s in shards], sum(records[s.index].rows for s in shards)

    files, _ = yield from apply("spread", 0, edges)
    number, changes = 0, 1
    while changes:
        number += 1
        files, large = yield from apply("large", number, files)
        files, small = yield from apply("small", number, files)
        changes = large + small
    files, _ = yield from apply("finish", 0, files)
    return RowFiles(context.sink, tuple(files), ranges)


def large_star(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Connect the larger neighbors of each row to its smallest neighbor, or to itself. Also returns the number of changes.

    A row that only has an edge to itself keeps it.
    """
    import numpy as np

    first, which = _smallest(row, other)
    low = np.minimum(first, row[which])[np.cumsum(_starts(row)) - 1] if len(row) else first
    larger, alone = other > row, (other == row) & _is_alone(row, other)
    changes = int(np.count_nonzero(larger & (low < row)))
    return (*_distinct(np.where(larger, other, row)[larger | alone], np.where(larger, low, row)[larger | alone]), changes)


def small_star(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Connect each row and its smaller neighbors to the smallest of them, in both directions. Also returns the changes."""
    import numpy as np

    first, _ = _smallest(row, other)
    low = first[np.cumsum(_starts(row)) - 1] if len(row) else first
    moved = other != low
    left, right = np.concatenate([row, other[moved]]), np.concatenate([low, low[moved]])
    return (*_both(left, right), int(np.count_nonzero(moved)))


def finish(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Each row with its smallest neighbor, or itself."""
    import numpy as np

    first, which = _smallest(row, other)
    return row[which], np.minimum(first, row[which]), 0


_OPERATIONS = {"large": large_star, "small": small_star, "finish": finish}


def _smallest(row: NDArray[np.int64], other: NDArray[np.int64]) -> Edges:
    """The smallest neighbor of each distinct row, and the position of its first edge. Edges must be sorted."""
    import numpy as np

    begin = np.flatnonzero(_starts(row))
    return other[begin], begin


def _starts(row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for the first edge of each row."""
    import numpy as np

    new = np.ones(len(row), bool)
    new[1:] = row[1:] != row[:-1]
    return new


def _is_alone(row: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for edges that are the only one of their row."""
    import numpy as np

    new = np.append(_starts(row), True)
    alone: NDArray[np.bool_] = new[:-1] & new[1:]
    return alone


def _both(left: NDArray[np.int64], right: NDArray[np.int64]) -> Edges:
    import numpy as np

    return _distinct(np.concatenate([left, right]), np.concatenate([right, left]))


def _distinct(left: NDArray[np.int64], right: NDArray[np.int64]) -> Edges:
    """The edges, sorted and without repetitions."""
    import numpy as np

    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    new = np.ones(len(left), bool)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return left[new], right[new]


def _table(left: NDArray[np.int64], right: NDArray[np.int64]) -> pa.Table:
    import pyarrow as pa

    return pa.table({"row": pa.array(left), "kept": pa.array(right)})


def _columns(edges: pa.Table | None) -> Edges:
    import numpy as np

    if edges is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return _distinct(edges.column("row").to_numpy(), edges.column("kept").to_numpy())


def _read(sink: str, name: str) -> Edges:
    import pyarrow.parquet as pq

    with Folder(sink).open_input(name) as file:
        return _columns(pq.read_table(file, columns=["row", "kept"]))
