"""What phases of a run are made of, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import MIB, Shard, make_shards
from datajob.engine.input.inputs import FragmentInput, Input
from datajob.engine.worker.rejects import RejectFolders
from datajob.engine.worker.tasks import RowsTask, Task
from datajob.formats.base import Writer
from datajob.formats.storage import BOOKKEEPING
from datajob.operators.base import Deduplicate, Repartition

if TYPE_CHECKING:
    from datajob.engine.plan.fused import FusedSteps
    from datajob.engine.plan.steps import Step
    from datajob.engine.worker.outputs import Output

PARTITION_BYTES = 64 * MIB
"""Input bytes per partition of an exchange; Arrow rows are a few times that."""
MOST_PARTITIONS = 512

Records = dict[int, Record]


@dataclass(frozen=True)
class Stage:
    """Units that may run in any order, and what runs them."""

    name: str
    task: Task
    shards: tuple[Shard, ...]
    fused: FusedSteps | None = None
    """The row-local steps in it, which decide where it runs."""
    stop_when: Callable[[Records], bool] | None = None
    """True once the remaining units are not needed."""


@dataclass(frozen=True)
class Upstream:
    """The rows as they stand before a segment: where they are, and what identifies each unit of them."""

    source: Input
    identities: tuple[object, ...]
    weights: tuple[int, ...]

    def shards(self, recipe: str) -> list[Shard]:
        """The units of a phase that reads these rows."""
        return make_shards(recipe, self.identities, self.weights)


Stages = Generator[Stage, Records, Records]
"""Yields phases, is sent their records, returns the records of the last: the files of the result."""
StageResult = Generator[Stage, Records, Upstream]
"""Phases of a global step; returns where its rows are then."""


@dataclass(frozen=True)
class Context:
    """What all phases of a run share."""

    sink: str
    writer: Writer
    recipe: str
    """Digest of what is common to all units: engine, image, error policy."""
    policy: str
    side: RejectFolders
    python_path: tuple[str, ...]
    input_bytes: int
    side_inputs: Callable[[Step], Sequence[FragmentInput]]
    """Lists the further sources of a step."""

    def partitions(self, operator: Deduplicate | Repartition) -> int:
        """How many partitions an exchange has: from the size of the input alone."""
        if isinstance(operator, Repartition) and operator.single_partition():
            return 1
        return max(1, min(MOST_PARTITIONS, -(-self.input_bytes // PARTITION_BYTES)))

    def rows(self, name: str, source: Input, fused: FusedSteps, output: Output, shards: Sequence[Shard]) -> Stage:
        """A phase that moves rows."""
        task = RowsTask(self.sink, name, source, fused.steps, output, self.policy, self.side, self.python_path)
        return Stage(name, task, tuple(shards), fused)


def from_fragments(source: FragmentInput) -> Upstream:
    """Rows as they are in files."""
    return Upstream(source, tuple(s.identity() for s in source.shards), tuple(s.weight for s in source.shards))


def intermediate_folder(name: str) -> str:
    """Where a phase keeps what the next one needs."""
    return f"{BOOKKEEPING}/intermediate/{name}"
