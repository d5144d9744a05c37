"""The processes of the models of a stage, which share its accelerators."""

from __future__ import annotations

import time
from collections.abc import Sequence

from datajob.engine.executors.balance import Demand, better, initial
from datajob.engine.executors.model_actors import ModelActors
from datajob.engine.executors.placement import Placement
from datajob.engine.worker.intake import MOST_ROWS
from datajob.engine.worker.model_calls import PIECE_ROWS

BALANCE_SECONDS = 10.0
"""Minimum time between two changes of the sizes."""

PIECES = MOST_ROWS // PIECE_ROWS
"""Processes that the rows of one shard can keep busy."""


class Shares:
    """Sizes the pools of the models, and moves accelerators to the model that limits the stage."""

    def __init__(self, placement: Placement, promised: bool, python_path: tuple[str, ...]) -> None:
        self.pools = [ModelActors(pool, promised, python_path) for pool in placement.pools]
        self._accelerators = placement.accelerators
        self._sizes = initial(self._demands(), self._accelerators)
        self._changed = time.monotonic()

    def resize(self, shards: int) -> None:
        """Start processes for this number of shards, replace those that died, and stop those that are not needed."""
        for pool, size in zip(self.pools, self._sizes, strict=True):
            pool.resize(max(1, min(size, max(shards * PIECES, pool.pool.size[0]))))

    def balance(self) -> None:
        """Change the sizes if this makes the stage faster. Does nothing before all models have processed rows."""
        if len(self.pools) < 2 or time.monotonic() - self._changed < BALANCE_SECONDS:
            return
        self._changed = time.monotonic()
        if all(pool.usage.rows for pool in self.pools):
            self._sizes = better(self._demands(), self._sizes, self._accelerators)

    def _demands(self) -> Sequence[Demand]:
        """What the models have to do for each row of the first one."""
        arrived = [pool.usage.rows + pool.rows_ahead for pool in self.pools]
        return [
            Demand(p.pool.accelerators, p.pool.size, p.usage.seconds_per_row * rows / max(1, arrived[0]))
            for p, rows in zip(self.pools, arrived, strict=True)
        ]
