"""A stage: a set of shards that can run in any order. And what the stages of a run share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import MIB, Shard, make_shards
from datajob.engine.counts.tally import Tally
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.plan.steps import Step
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.rejects import RejectFolders
from datajob.engine.worker.rows_task import RowsTask
from datajob.engine.worker.task import Task
from datajob.formats.base import Writer
from datajob.formats.storage import BOOKKEEPING
from datajob.operators.base import Deduplicate, Global, Repartition

if TYPE_CHECKING:
    from datajob.engine.plan.fused import FusedSteps
    from datajob.engine.worker.outputs import RowOutput

PARTITION_BYTES = 64 * MIB
"""Input bytes per partition of an exchange; as Arrow rows they take a few times as much."""
MAX_PARTITIONS = 512

Records = dict[int, Record]
"""Commit records by index of the shard."""


@dataclass(frozen=True)
class Stage:
    """Shards that can run in any order, and the task that processes them."""

    name: str
    task: Task
    shards: tuple[Shard, ...]
    fused: FusedSteps | None = None
    """The row-local steps of the stage, which determine where it runs."""
    stop_when: Callable[[Records], bool] | None = None
    """True once the remaining shards are not needed."""
    complete_counts: Callable[[Records, Tally], None] | None = None
    """Adds the counts that are known only once the stage has ended."""


@dataclass(frozen=True)
class Upstream:
    """The rows that a stage reads: where they are, and what identifies those of each shard."""

    intake: Intake
    identities: tuple[object, ...]
    weights: tuple[int, ...]
    step: Step[Global] | None = None
    """The step that passes these rows on as they are read; it has counted them before."""
    growth: float = 1.0
    """How many times the next repartition receives the input of the job, because rows are repeated or left out."""

    def shards(self, fingerprint: str) -> list[Shard]:
        """The shards of a stage that reads these rows."""
        return make_shards(fingerprint, self.identities, self.weights)


Stages = Generator[Stage, Records, Records]
"""Yields stages, receives their records, and returns those of the last stage, which name the files of the result."""
StageResult = Generator[Stage, Records, Upstream]
"""The stages of a global step; returns the rows that the next stage reads."""


@dataclass(frozen=True)
class Context:
    """What all stages of a run share."""

    sink: str
    writer: Writer
    fingerprint: str
    """Hash of what determines the results of all shards: version, image, error policy."""
    policy: str
    rejects: RejectFolders
    python_path: tuple[str, ...]
    input_bytes: int
    side_inputs: Callable[[Global], Sequence[FragmentInput]]
    """Lists the further sources of an operator."""

    def partitions(self, operator: Deduplicate | Repartition, growth: float = 1.0) -> int:
        """Number of partitions of an exchange, derived from the size of the input and its growth only."""
        if isinstance(operator, Repartition) and operator.single_partition():
            return 1
        return max(1, min(MAX_PARTITIONS, ceil(self.input_bytes * growth / PARTITION_BYTES)))

    def rows(self, name: str, intake: Intake, fused: FusedSteps, output: RowOutput, shards: Sequence[Shard]) -> Stage:
        """A stage that processes rows."""
        task = RowsTask(self.sink, name, intake, fused.steps, output, self.policy, self.rejects, self.python_path)
        return Stage(name, task, tuple(shards), fused)


def from_fragments(source: FragmentInput) -> Upstream:
    """The rows of files that were listed."""
    read = [reader.identity() for reader in source.readers]
    identities = tuple([read[shard.source], *shard.identity()] for shard in source.shards)
    return Upstream(Intake(source), identities, tuple(shard.weight for shard in source.shards))


def intermediate_folder(stage: str) -> str:
    """Where a stage keeps files for the next one."""
    return f"{BOOKKEEPING}/intermediate/{stage}"
