"""The local executor: one shard after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from datajob.engine.commit.shard import Shard
from datajob.engine.events import Working
from datajob.engine.executors.base import Outcomes
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.task import Task, run_shard, shard_name


class LocalExecutor:
    """Runs shards in this process. Nothing has to be started, which suits small inputs."""

    def run(self, task: Task, shards: Sequence[Shard], placement: Placement) -> Outcomes:
        """Run the shards in order."""
        for shard in shards:
            yield Working(shard_name(task, shard))
            yield run_shard(task, shard)

    promised = False

    def available(self) -> dict[str, float]:
        """One CPU."""
        return {"CPU": 1.0}

    def close(self) -> None:
        """Nothing was started."""
