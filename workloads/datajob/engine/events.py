"""What a run tells whoever watches it (the command line, the report's ConfigMap)."""

from collections.abc import Callable
from dataclasses import dataclass

from datajob.api.problems import Problem
from datajob.api.report import Report


@dataclass(frozen=True)
class Started:
    """Planning is over and the first unit is about to run."""

    stages: int
    shards: int
    input_files: int
    input_bytes: int


@dataclass(frozen=True)
class Progressed:
    """One more unit was committed."""

    report: Report


@dataclass(frozen=True)
class Finished:
    """The run ended well; everything is written."""

    report: Report


@dataclass(frozen=True)
class Note:
    """Something a person should know, in one sentence."""

    message: str
    problem: Problem | None = None
    """The warning about the job that the message states, if it is one."""


Event = Started | Progressed | Finished | Note
OnEvent = Callable[[Event], None]
