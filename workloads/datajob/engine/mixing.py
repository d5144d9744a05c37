"""The stages of a mixture: store rows with their sources, find the rows to take of each source, and return them.

As in a ranking, the last row to take of a source is found by adding up sizes digit by digit, over 64-bit random numbers. It is
exact, and the memory that this takes does not depend on the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.counts.sources import Sources, SourceTally
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
from datajob.operators.base import Batch, Verdict
from datajob.operators.table._mix_order import COPIES
from datajob.operators.table._mixing import shares_of
from datajob.operators.table.mix import Members, Mix

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

DIGIT = 16
"""Bits of a digit."""


def mix(context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Mix], upstream: Upstream) -> StageResult:
    """Store the rows with their sources, decide how often each row is taken, and return the rows with this decision."""
    shards = upstream.shards(fingerprint)
    output = IntermediateOutput(context.sink, intermediate_folder(name), _MembersOfRows(step))
    yield context.rows(name, upstream.intake, fused, output, shards)
    stage, everything = f"{name}-quotas", digest([s.key for s in shards])
    task = QuotasTask(context.sink, stage, step, tuple(map(output.companion_name, shards)), intermediate_folder(stage))
    [only] = make_shards(digest(fingerprint, stage), [everything], [1])
    yield Stage(stage, task, (only,))
    growth = Quotas.read(context.sink, task.name(only)).growth
    stored = IntermediateInput(context.sink, tuple(map(output.rows_name, shards)))
    intake = Intake(stored, _Decision(step, context.sink, task.name(only)))
    return Upstream(intake, tuple((s.key, everything) for s in shards), tuple(s.weight for s in shards), step, growth)


@dataclass(frozen=True)
class Quotas:
    """How often each row of each source is taken."""

    copies: Integers
    """Number of times that every row of a source is taken."""
    key: NDArray[np.uint64]
    """Rows with a lower number are taken once more, and of those with this number the ones up to an ID."""
    last: Integers
    """-1: none of them."""
    growth: float
    """Rows of the mixture per row that reached the step."""

    def of(self, members: Members, ids: Integers) -> Integers:
        """How often each row is taken."""
        import numpy as np

        source, key = members.source, self.key[members.source]
        more = (members.key < key) | ((members.key == key) & (ids <= self.last[source]))
        return np.where(source < 0, 0, self.copies[source] + more)

    def write(self, file: BlockWriter) -> None:
        """Store the quotas, one row per source."""
        import pyarrow as pa

        growth = pa.repeat(self.growth, len(self.copies))
        file.write(pa.table({"copies": self.copies, "key": self.key, "last": self.last, "growth": growth}))

    @classmethod
    def read(cls, root: str, name: str) -> Quotas:
        """The inverse of `write`."""
        [table] = read_blocks(root, name)
        copies, key, last, growth = (column.to_numpy() for column in table.columns)
        return cls(copies, key, last, float(growth[0]))


@dataclass(frozen=True)
class _MembersOfRows:
    """Extracts the sources and sizes of rows while they are stored, in the order of the rows."""

    mix: Step[Mix]

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.mix.name

    def needs(self) -> tuple[str, ...]:
        """The columns with the source and the tokens."""
        return self.mix.operator.compared()

    def counted(self, table: pa.Table) -> bool:
        """No."""
        return False

    def extract(self, table: pa.Table, start: int, file: BlockWriter, shard: Shard, accounting: Accounting) -> pa.Table:
        """Write what determines whether rows are taken. Returns the rows that did not fail."""
        import pyarrow as pa

        pieces, passed = accounting.isolate(self.step, lambda rows, _: self.mix.operator.members(rows), Batch(table))
        for piece in pieces:
            columns = (values[piece.passed] for values in piece.result)
            file.write(pa.table(dict(zip(Members._fields, columns, strict=True))))
        return passed.table


@dataclass(frozen=True)
class QuotasTask(Task):
    """Finds the rows to take of each source, and counts them."""

    mix: Step[Mix]
    names: tuple[str, ...]
    """The files of members, in the order of the shards."""
    folder: str

    def name(self, shard: Shard) -> str:
        """Block file of the quotas."""
        return f"{self.folder}/{shard.key}.arrow"

    def process(self, shard: Shard) -> Record:
        """Read all members and write the quotas."""
        quotas, tally = self._decide()
        file = BlockWriter(self.sink, self.name(shard))
        try:
            quotas.write(file)
            file.close()
        except BaseException:
            file.abort()
            raise
        return Record(shard.index, shard.key, tally, 1)

    def _decide(self) -> tuple[Quotas, Tally]:
        """The quotas, and what they take of each source. Raises InvalidJob if the mixture is impossible."""
        import numpy as np

        sources = len(self.mix.operator.weights)
        available, rows_in, others = np.zeros(sources, np.int64), 0, 0
        for members, _ in self._members():
            known = members.source >= 0
            np.add.at(available, members.source[known], members.size[known])
            rows_in, others = rows_in + len(known), others + int((~known).sum())
        sizes = np.array(self.mix.operator.sizes(available.tolist(), others), np.int64)
        copies, extra = np.divmod(sizes, np.maximum(available, 1))
        key = self._keys(extra)
        last = self._last(key, extra)
        quotas = Quotas(copies, key, last, 1.0)
        rows, taken = np.zeros(sources, np.int64), np.zeros(sources, np.int64)
        for members, ids in self._members():
            times = quotas.of(members, ids)
            np.add.at(rows, members.source[times > 0], times[times > 0])
            np.add.at(taken, members.source[times > 0], (times * members.size)[times > 0])
        counted = self._counted(rows.tolist(), taken.tolist(), available.tolist())
        return Quotas(copies, key, last, int(rows.sum()) / max(1, rows_in)), Tally(sources={self.mix.name: counted})

    def _counted(self, rows: list[int], taken: list[int], available: list[int]) -> Sources:
        operator = self.mix.operator
        shares = shares_of(list(operator.weights.values()))
        return {
            name: SourceTally(rows[i], taken[i] if operator.tokens else None, float(shares[i]), available[i])
            for i, name in enumerate(operator.weights)
        }

    def _keys(self, extra: Integers) -> NDArray[np.uint64]:
        """The number up to which the sizes of the rows of each source add up to at most `extra`, which is reduced by them."""
        import numpy as np

        found = np.zeros(len(extra), np.uint64)
        for shift in range(64 - DIGIT, -1, -DIGIT):
            sums = np.zeros((len(extra), 1 << DIGIT), np.int64)
            for members, _ in self._members():
                same = members.source >= 0
                if shift < 64 - DIGIT:
                    same &= members.key >> np.uint64(shift + DIGIT) == found[members.source]
                digits = (members.key[same] >> np.uint64(shift) & np.uint64((1 << DIGIT) - 1)).astype(np.int64)
                np.add.at(sums, (members.source[same], digits), members.size[same])
            for source, below in enumerate(np.cumsum(sums, axis=1)):
                place = int(np.searchsorted(below, extra[source], side="right")) if extra[source] else 0
                extra[source] -= int(below[place - 1]) if place else 0
                found[source] = found[source] << np.uint64(DIGIT) | np.uint64(place)
        return found

    def _last(self, key: NDArray[np.uint64], left: Integers) -> Integers:
        """Of the rows with these numbers, the ID of the last one that is taken."""
        import numpy as np

        last, full = np.full(len(key), -1, np.int64), left <= 0
        for members, ids in self._members():
            for row in np.flatnonzero((members.source >= 0) & (members.key == key[members.source])).tolist():
                source = members.source[row]
                full[source] |= members.size[row] > left[source]
                if not full[source]:
                    left[source] -= members.size[row]
                    last[source] = ids[row]
        return last

    def _members(self) -> Iterator[tuple[Members, Integers]]:
        """What determines whether rows are taken, and their IDs, in the order of the input."""
        import numpy as np

        for index, name in enumerate(self.names):
            first = JOB_ROWS.first(index)
            for block in read_blocks(self.sink, name):
                yield Members(*(column.to_numpy() for column in block.columns)), first + np.arange(len(block))
                first += len(block)


@dataclass(frozen=True)
class _Decision:
    """How often the rows of a stage are taken."""

    mix: Step[Mix]
    root: str
    quotas: str
    """File of the quotas."""

    counts_rows: ClassVar[bool] = False

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.mix.name

    def of(self, shard: int) -> _ShardDecision:
        """How often the rows of a shard are taken."""
        return _ShardDecision(self.mix.operator, Quotas.read(self.root, self.quotas), JOB_ROWS.first(shard))


@dataclass(frozen=True)
class _ShardDecision:
    operator: Mix
    quotas: Quotas
    first: int
    """ID of the first row of the shard."""

    def verdict(self, batch: Batch, start: int) -> Verdict:
        """Reject rows that are not taken; write to a column how often the others are."""
        import numpy as np
        import pyarrow as pa

        members = self.operator.members(batch)
        copies = self.quotas.of(members, self.first + start + np.arange(len(batch)))
        codes = np.where(members.source < 0, 2, np.where(copies, 0, 1)).astype(np.int8)
        return Verdict(codes, (self.operator.key, "noWeight"), {COPIES: pa.array(copies)})
