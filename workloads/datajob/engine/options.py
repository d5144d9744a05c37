"""How a run is started. What it does is defined by the job; everything that comes from the environment enters here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from datajob.api.contract import ENV_IMAGE
from datajob.engine.events import OnEvent

ExecutorName = Literal["auto", "ray", "local"]


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that are not part of the job."""

    fresh: bool = False
    """Ignore what an earlier attempt committed, and run all shards again."""
    executor: ExecutorName = "auto"
    """`ray` (Ray Data), `local` (this process), or `auto`: whichever is faster. For slow steps, it starts further processes."""
    ray_address: str | None = None
    """Address of an existing Ray cluster; by default, Ray is started on this machine if it is needed."""
    in_cluster: bool = False
    """The driver is part of that cluster: with `auto`, it processes small inputs itself instead of starting workers."""
    run_id: str | None = None
    """Identifies the run across attempts: a run that is complete does not run again."""
    job_id: str | None = None
    """Identifies the DataJob across runs: a run takes over the sink from an earlier run of the same DataJob."""
    attempt: int | None = None
    """Number of the attempt, if the caller counts attempts; by default, the state of the run counts them."""
    shard_bytes: int | None = None
    """Bytes of input per shard; by default derived from the size of the input."""
    image: str | None = None
    """Identity of the container image. It is part of the fingerprint, so results of another image are not reused."""
    python_path: tuple[str, ...] = ()
    """Folders from which every worker imports user functions."""
    on_event: OnEvent = field(default=_ignore)
    """Called for every event of the run."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **options: Any) -> "RunOptions":
        """Options of which the Ray cluster and the image, if not given, come from the environment."""
        found = {"ray_address": environment.get("RAY_ADDRESS"), "image": environment.get(ENV_IMAGE)}
        return cls(**{**found, **{name: value for name, value in options.items() if value is not None}})
