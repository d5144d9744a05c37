"""Events of a run, for observers such as the command line or the report ConfigMap of a cluster."""

from collections.abc import Callable
from dataclasses import dataclass

from datajob.api.problems import Problem
from datajob.api.report import PoolReport, Report


@dataclass(frozen=True)
class Started:
    """The run is planned and the first shard is about to start."""

    stages: int
    shards: int
    input_files: int
    input_bytes: int


@dataclass(frozen=True)
class Progressed:
    """More of the work is complete: shards are committed, or their rows are processed."""

    report: Report


@dataclass(frozen=True)
class Finished:
    """The run is complete and everything is written."""

    report: Report


@dataclass(frozen=True)
class Note:
    """A message for the user, one or two sentences."""

    message: str
    problem: Problem | None = None
    """The warning about the job that the message states, if it is one."""


@dataclass(frozen=True)
class Streamed:
    """How busy the processes of a stage are. Only between the executor and the driver."""

    pools: tuple[PoolReport, ...]
    """The workers, then the processes of each model."""
    bottleneck: str | None

    @property
    def rows_per_second(self) -> float:
        """Of the first model on accelerators or, without one, of the workers."""
        return self.pools[min(1, len(self.pools) - 1)].rows_per_second


@dataclass(frozen=True)
class Advanced:
    """How much of a shard that several processes share is complete. Only between the executor and the driver."""

    index: int
    share: float


@dataclass(frozen=True)
class Working:
    """The process of the driver starts to run a shard itself, or to supervise processes that run all of them."""

    shard: str
    """The shard with its files, or the stage, for messages."""


Event = Started | Progressed | Finished | Note | Working
OnEvent = Callable[[Event], None]
