"""The interface of executors: run the shards of a stage and yield their outcomes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.events import Advanced, Note, Streamed, Working
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.task import ShardFailure, Task

ROWS_AHEAD = 256
"""Rows that a process has for its models at the same time: several batches of an accelerator, of rows of similar length."""
ENDPOINT_ROWS_AHEAD = 1024
"""The same for endpoints."""
MAX_OPEN = 48
"""Maximum number of shards of a process, including those that wait for a model."""

Outcomes = Generator[Record | ShardFailure | Note | Streamed | Working | Advanced, None, None]


class Executor(Protocol):
    """Runs shards and yields their commit records in the order in which they complete."""

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Run each shard once. Closing the generator stops the remaining shards."""

    @property
    def promised(self) -> bool:
        """True if resources that are not available yet will be: the cluster is created for the job."""

    def available(self) -> dict[str, float]:
        """Ray resources that are available now."""

    def close(self) -> None:
        """Stop everything that was started."""
