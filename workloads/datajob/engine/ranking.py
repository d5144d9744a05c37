"""The stages of a ranking: store rows with their ranks, find the rank of the last row to keep, and return the rows up to it.

The limit is found by counting ranks digit by digit, in 64-bit integers of the same order. It is exact, and the memory that this
takes does not depend on the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.counts.tally import Tally
from datajob.engine.exchange.blocks import BlockWriter, read_blocks
from datajob.engine.exchange.row_ids import JOB_ROWS
from datajob.engine.input.inputs import IntermediateInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.stage import Context, Stage, StageResult, Upstream, intermediate_folder
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.outputs import IntermediateOutput
from datajob.engine.worker.task import Task
from datajob.operators.base import Batch, Order, Ranking, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]

DIGIT = 16
"""Bits of a digit: the ranks are read once for each of the four digits, and once more for those that equal the limit."""


class Limit(NamedTuple):
    """Rows with a higher key are kept, and of those with this key the ones up to an ID."""

    key: int
    last: int
    """-1: none of them."""


def rank(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Ranking], upstream: Upstream
) -> StageResult:
    """Store the rows with their ranks, find the limit, and return the rows with their decision."""
    shards = upstream.shards(fingerprint)
    output = IntermediateOutput(context.sink, intermediate_folder(name), _Ranks(step))
    yield context.rows(name, upstream.intake, fused, output, shards)
    stage, everything = f"{name}-limit", digest([s.key for s in shards])
    task = LimitTask(context.sink, stage, step.operator, tuple(map(output.companion_name, shards)), intermediate_folder(stage))
    [only] = make_shards(digest(fingerprint, stage), [everything], [1])
    yield Stage(stage, task, (only,))
    stored = IntermediateInput(context.sink, tuple(map(output.rows_name, shards)))
    intake = Intake(stored, _Decision(step, context.sink, task.name(only)))
    return Upstream(intake, tuple((s.key, everything) for s in shards), tuple(s.weight for s in shards), step)


@dataclass(frozen=True)
class _Ranks:
    """Extracts the ranks of rows while they are stored, in the order of the rows."""

    ranking: Step[Ranking]

    @property
    def step(self) -> str:
        """Name of the ranking."""
        return self.ranking.name

    def needs(self) -> Order | None:
        """The columns of which the ranks are."""
        operator = self.ranking.operator
        return None if operator.runs_user_code() else operator.inputs()

    def counted(self, table: pa.Table) -> bool:
        """No."""
        return False

    def extract(self, table: pa.Table, start: int, file: BlockWriter, shard: Shard, accounting: Accounting) -> pa.Table:
        """Write the ranks. Returns the rows that did not fail."""
        import pyarrow as pa

        pieces, passed = accounting.isolate(self.step, lambda rows, _: self.ranking.operator.ranks(rows), Batch(table))
        for piece in pieces:
            file.write(pa.table({"rank": pa.array(piece.result[piece.passed], pa.float64())}))
        return passed.table


@dataclass(frozen=True)
class LimitTask(Task):
    """Finds the rank of the last row to keep."""

    ranking: Ranking
    names: tuple[str, ...]
    """The files of ranks, in the order of the shards."""
    folder: str

    def name(self, shard: Shard) -> str:
        """Block file of the limit."""
        return f"{self.folder}/{shard.key}.arrow"

    def process(self, shard: Shard) -> Record:
        """Read all ranks and write the limit."""
        import pyarrow as pa

        found = self._limit()
        file = BlockWriter(self.sink, self.name(shard))
        try:
            file.write(pa.table({"key": pa.array([found.key], pa.uint64()), "last": pa.array([found.last], pa.int64())}))
            file.close()
        except BaseException:
            file.abort()
            raise
        return Record(shard.index, shard.key, Tally(), 1)

    def _limit(self) -> Limit:
        import numpy as np

        found, left = 0, self.ranking.kept(sum(len(keys) for _, keys in self._keys()))
        if left <= 0:
            return Limit(2**64 - 1, -1)
        for shift in range(64 - DIGIT, -1, -DIGIT):
            counts = np.zeros(1 << DIGIT, np.int64)
            for _, keys in self._keys():
                same = keys if shift == 64 - DIGIT else keys[keys >> np.uint64(shift + DIGIT) == np.uint64(found)]
                digits = (same >> np.uint64(shift) & np.uint64((1 << DIGIT) - 1)).astype(np.int64)
                counts += np.bincount(digits, minlength=1 << DIGIT)
            above = np.cumsum(counts[::-1])
            place = int(np.searchsorted(above, left))
            left -= int(above[place - 1]) if place else 0
            found = found << DIGIT | ((1 << DIGIT) - 1 - place)
        return Limit(found, self._row_of(found, left))

    def _row_of(self, key: int, number: int) -> int:
        """The ID of the n-th row with a key, from 1."""
        import numpy as np

        for rows, keys in self._keys():
            equal = np.flatnonzero(keys == np.uint64(key))
            if number <= len(equal):
                return int(rows[equal[number - 1]])
            number -= len(equal)
        raise AssertionError("the ranks have changed since they were counted")

    def _keys(self) -> Iterator[tuple[NDArray[np.int64], Keys]]:
        """The IDs and keys of the rows that have a rank, in the order of the input."""
        import numpy as np

        for index, name in enumerate(self.names):
            first = JOB_ROWS.first(index)
            for block in read_blocks(self.sink, name):
                ranks = block.column("rank").to_numpy()
                there = np.flatnonzero(~np.isnan(ranks))
                yield first + there, keys_of(ranks[there])
                first += len(ranks)


def keys_of(ranks: NDArray[np.float64]) -> Keys:
    """Integers that have the order of the ranks. Zeros of both signs are equal."""
    import numpy as np

    bits = (ranks + 0.0).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


@dataclass(frozen=True)
class _Decision:
    """Which rows of a stage are kept."""

    ranking: Step[Ranking]
    root: str
    limit: str
    """File of the limit."""

    counts_rows: ClassVar[bool] = False

    @property
    def step(self) -> str:
        """Name of the ranking."""
        return self.ranking.name

    def of(self, shard: int) -> _ShardDecision:
        """Which rows of a shard are kept."""
        [row] = next(read_blocks(self.root, self.limit)).to_pylist()
        return _ShardDecision(self.ranking.operator, Limit(**row), JOB_ROWS.first(shard))


@dataclass(frozen=True)
class _ShardDecision:
    operator: Ranking
    limit: Limit
    first: int
    """ID of the first row of the shard."""

    def verdict(self, batch: Batch, start: int) -> Verdict | None:
        """Reject rows below the limit, and those that have no rank."""
        import numpy as np

        ranks = self.operator.ranks(batch)
        none = np.isnan(ranks)
        keys, limit = keys_of(ranks), np.uint64(self.limit.key)
        keep = (keys > limit) | ((keys == limit) & (self.first + start + np.arange(len(batch)) <= self.limit.last))
        return Verdict(np.where(none, 2, np.where(keep, 0, 1)).astype(np.int8), (self.operator.key, "no_value"))
