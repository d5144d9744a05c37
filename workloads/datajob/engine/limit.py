"""The stage of a limit: store rows until the first shards hold enough, then take the first ones of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from datajob.engine.commit.ledger import Record
from datajob.engine.counts.tally import Tally
from datajob.engine.input.inputs import IntermediateInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.stage import Context, Records, StageResult, Upstream, intermediate_folder
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.outputs import IntermediateOutput
from datajob.operators.base import Batch, Global, Head, Repartition, Verdict


@dataclass(frozen=True)
class FirstRows:
    """The decision of a limit: how many rows each shard may pass on."""

    limit: Step[Head]
    rows: tuple[int, ...]

    counts_rows: ClassVar[bool] = False

    @property
    def step(self) -> str:
        """Name of the limit."""
        return self.limit.name

    def of(self, shard: int) -> FirstRowsOfShard:
        """The decision about one shard."""
        return FirstRowsOfShard(self.limit.operator.key, self.rows[shard])


@dataclass(frozen=True)
class FirstRowsOfShard:
    """Rejects all rows of a shard after the first ones."""

    reason: str
    rows: int

    def verdict(self, batch: Batch, start: int) -> Verdict | None:
        """Reject the rows beyond the limit; None if there are none."""
        import numpy as np

        left = self.rows - start
        if left >= len(batch):
            return None
        return Verdict((np.arange(len(batch)) >= left).astype(np.int8), (self.reason,))


def limit(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Head], upstream: Upstream
) -> StageResult:
    """Store rows, and return the first ones."""
    wanted = step.operator.rows()
    shards = upstream.shards(fingerprint)
    output = IntermediateOutput(context.sink, intermediate_folder(name))

    def stop_when(records: Records) -> bool:
        return sum(r.rows for r in _leading(records)) >= wanted

    def complete_counts(records: Records, tally: Tally) -> None:
        count_unread(upstream.step, tally)
        counts, used = tally.step(step.name), len(_taken(records, wanted))
        counts.rows_in += sum(record.rows for record in records.values())
        counts.unread += sum(record.rows for index, record in records.items() if index >= used)

    stage = context.rows(name, upstream.intake, fused, output, shards)
    records = yield replace(stage, stop_when=stop_when, complete_counts=complete_counts)
    taken = _taken(records, wanted)
    shards = shards[: len(taken)]
    stored = IntermediateInput(context.sink, tuple(map(output.rows_name, shards)))
    identities = tuple((s.key, rows) for s, rows in zip(shards, taken, strict=True))
    intake = Intake(stored, FirstRows(step, tuple(taken)))
    return Upstream(intake, identities, tuple(s.weight for s in shards), step)


def count_unread(step: Step[Global] | None, tally: Tally) -> None:
    """Count the rows that `step` would have passed on to the shards that a limit did not need."""
    if step is None or (isinstance(step.operator, Repartition) and not step.operator.keeps_rows):
        return
    counts = tally.step(step.name)
    counts.unread += counts.missing


def _taken(records: Records, wanted: int) -> list[int]:
    """The number of rows to take from each of the first shards."""
    taken: list[int] = []
    for record in _leading(records):
        if (left := wanted - sum(taken)) <= 0:
            break
        taken.append(min(record.rows, left))
    return taken


def _leading(records: Records) -> list[Record]:
    """Records of the first shards, up to the first one that has not completed."""
    found: list[Record] = []
    while len(found) in records:
        found.append(records[len(found)])
    return found
