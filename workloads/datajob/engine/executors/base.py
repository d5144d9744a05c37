"""What an executor is: it runs the shards of a stage and yields their outcomes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Note
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.tasks import ShardFailure, Task

Outcomes = Generator[Record | ShardFailure | Note, None, None]


class Executor(Protocol):
    """Runs units and gives their records as they finish, in any order."""

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Each unit once. Closing the iterator early stops the rest."""

    @property
    def promised(self) -> bool:
        """True when resources that are not up yet will come."""

    def available(self) -> dict[str, float]:
        """Ray resources that are up."""

    def close(self) -> None:
        """Give back what was started."""
