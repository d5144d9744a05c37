"""Connected components over partitions of rows, for more edges than one process should hold.

Alternating large-star and small-star steps (Kiveris et al. 2014, Connected Components in MapReduce and Beyond): every row
sends its neighbours to the smallest row it knows, until each component is a star around its first row. Each step is a
phase over partitions by ranges of rows: a worker holds the edges of its range, and those of the largest component where
that has its first row. The number of steps grows with the logarithm of the longest chain.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.counts.tally import Tally
from datajob.engine.dedup.tasks import write_rows
from datajob.engine.exchange.blocks import BlockWriter, read_partition
from datajob.engine.exchange.row_ids import Ranges, RowFiles
from datajob.engine.stage import Context, Records, Stage, intermediate_folder
from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Edges = tuple[NDArray[np.int64], NDArray[np.int64]]

Mode = Literal["spread", "large", "small", "finish"]


@dataclass(frozen=True)
class LinkTask:
    """One step on one partition: `spread` routes the edges of a file; `finish` writes the stars."""

    sink: str
    stage: str
    mode: Mode
    sources: tuple[str, ...]
    """Edge files, one per unit (`spread`), or the files of an exchange."""
    ranges: Ranges
    with_first: bool

    def name(self, shard: Shard) -> str:
        """The file of the unit's edges: an exchange, or in the end Parquet."""
        return f"{intermediate_folder(self.stage)}/{shard.key}.{'parquet' if self.mode == 'finish' else 'arrow'}"

    def run(self, shard: Shard) -> Record:
        """Do the unit and commit it. The record's rows are the changes, which end when the stars stand."""
        if self.mode == "spread":
            left, right, changes = *_both(*_read(self.sink, self.sources[shard.index])), 0
        else:
            found = read_partition(self.sink, self.sources, shard.index, self.ranges.parts)
            left, right, changes = _STEPS[self.mode](*_columns(found))
        if self.mode == "finish":
            keep = (left != right) | self.with_first
            write_rows(self.sink, self.name(shard), _table(left[keep], right[keep]))
        else:
            file = BlockWriter(self.sink, self.name(shard))
            file.write_partitions(_table(left, right), self.ranges.part_of(left), self.ranges.parts)
            file.close()
        record = Record(shard.index, shard.key, Tally(), changes)
        Ledger(self.sink, self.stage).commit(record)
        return record


def link(
    context: Context, name: str, recipe: str, edges: Sequence[str], ranges: Ranges, with_first: bool
) -> Generator[Stage, Records, RowFiles]:
    """Phases that find the members of components from files of edges (`row`, `kept`), each with the component's first row."""

    def step(mode: Mode, number: int, sources: Sequence[str]) -> Generator[Stage, Records, tuple[list[str], int]]:
        stage = f"{name}-{mode}-{number}"
        task = LinkTask(context.sink, stage, mode, tuple(sources), ranges, with_first)
        count = len(sources) if mode == "spread" else ranges.parts
        shards = make_shards(digest(recipe, stage), list(range(count)), [1] * count)
        records = yield Stage(stage, task, tuple(shards))
        return [task.name(u) for u in shards], sum(records[u.index].rows for u in shards)

    files, _ = yield from step("spread", 0, edges)
    number, changes = 0, 1
    while changes:
        number += 1
        files, large = yield from step("large", number, files)
        files, small = yield from step("small", number, files)
        changes = large + small
    files, _ = yield from step("finish", 0, files)
    return RowFiles(context.sink, tuple(files), ranges)


def large_star(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Larger neighbours of each row go to its smallest neighbour (or itself); how many of them went elsewhere.

    A row without a neighbour but itself keeps its edge to itself.
    """
    import numpy as np

    first, which = _smallest(row, other)
    low = np.minimum(first, row[which])[np.cumsum(_starts(row)) - 1] if len(row) else first
    larger, alone = other > row, (other == row) & _is_alone(row, other)
    changes = int(np.count_nonzero(larger & (low < row)))
    return (*_distinct(np.where(larger, other, row)[larger | alone], np.where(larger, low, row)[larger | alone]), changes)


def small_star(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Each row and its smaller neighbours go to the smallest of them, in both directions; how many went elsewhere."""
    import numpy as np

    first, _ = _smallest(row, other)
    low = first[np.cumsum(_starts(row)) - 1] if len(row) else first
    moved = other != low
    left, right = np.concatenate([row, other[moved]]), np.concatenate([low, low[moved]])
    return (*_both(left, right), int(np.count_nonzero(moved)))


def finish(row: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Each row with its smallest neighbour (or itself)."""
    import numpy as np

    first, which = _smallest(row, other)
    return row[which], np.minimum(first, row[which]), 0


_STEPS = {"large": large_star, "small": small_star, "finish": finish}


def _smallest(row: NDArray[np.int64], other: NDArray[np.int64]) -> Edges:
    """The smallest neighbour of each distinct row, and where the row begins; edges are sorted."""
    import numpy as np

    begin = np.flatnonzero(_starts(row))
    return other[begin], begin


def _starts(row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where another row begins."""
    import numpy as np

    new = np.ones(len(row), bool)
    new[1:] = row[1:] != row[:-1]
    return new


def _is_alone(row: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the edge is the only one of its row."""
    import numpy as np

    new = np.append(_starts(row), True)
    alone: NDArray[np.bool_] = new[:-1] & new[1:]
    return alone


def _both(left: NDArray[np.int64], right: NDArray[np.int64]) -> Edges:
    import numpy as np

    return _distinct(np.concatenate([left, right]), np.concatenate([right, left]))


def _distinct(left: NDArray[np.int64], right: NDArray[np.int64]) -> Edges:
    """Sorted edges, each once."""
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
