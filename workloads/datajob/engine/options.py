"""How a run is started; what it does is the job's business."""

from dataclasses import dataclass, field
from typing import Literal

from datajob.engine.events import OnEvent

ExecutorName = Literal["auto", "ray", "local"]


def _silent(_: object) -> None:
    return None


@dataclass(frozen=True)
class RunOptions:
    """Choices of the one who starts a run."""

    fresh: bool = False
    """Do everything again instead of keeping what an earlier attempt committed."""
    executor: ExecutorName = "auto"
    """`ray` (Ray Data), `local` (this process), or the one that is quicker for the size of the input."""
    ray_address: str | None = None
    """An existing Ray cluster; by default one is started on this machine."""
    in_cluster: bool = False
    """The driver is in that cluster itself: with `auto` it does alone what would take its workers longer to begin."""
    run_id: str | None = None
    """Names the run across restarts of its driver: a completed run of the same id is not run again."""
    attempt: int | None = None
    """Counted by whoever restarts the driver; by default by the run's own bookkeeping."""
    shard_bytes: int | None = None
    """Bytes of input of a shard; by default it follows from the size of the input."""
    python_path: tuple[str, ...] = ()
    """Folders in which user functions are looked up, on every worker."""
    on_event: OnEvent = field(default=_silent)
