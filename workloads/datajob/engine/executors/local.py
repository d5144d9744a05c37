"""The local executor: shards run one after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence

from datajob.engine.commit.shard import Shard
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.tasks import Task, attempt


class LocalExecutor:
    """Runs units one after the other in this process: nothing to start, right for small inputs."""

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Units in their order."""
        for shard in shards:
            yield attempt(task, shard)

    promised = False

    def available(self) -> dict[str, float]:
        """One processor."""
        return {"CPU": 1.0}

    def close(self) -> None:
        """Nothing was started."""
