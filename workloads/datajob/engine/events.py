"""Events of a run, for observers such as the command line or the report ConfigMap of a cluster."""

from collections.abc import Callable
from dataclasses import dataclass

from datajob.api.problems import Problem
from datajob.api.report import Report


@dataclass(frozen=True)
class Started:
    """The run is planned and the first shard is about to start."""

    stages: int
    shards: int
    input_files: int
    input_bytes: int


@dataclass(frozen=True)
class Progressed:
    """One more shard is committed."""

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


Event = Started | Progressed | Finished | Note
OnEvent = Callable[[Event], None]
