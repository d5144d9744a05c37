"""The exceptions of the project, named after what has to be fixed.

Every message states what is wrong, where, and how to fix it.
"""

from collections.abc import Sequence
from typing import Any


class DataJobError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code = 1


class InvalidJob(DataJobError):
    """The job is invalid and cannot run. Not retried: fix the job."""

    exit_code = 2

    def __init__(self, message: str = "", problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        """The problems in the job as `datajob.Problem` objects, if the message lists problems."""


class InputError(DataJobError):
    """The input is missing, unreadable, or does not have the format or columns that the job expects. Not retried."""

    exit_code = 3


class SinkError(DataJobError):
    """The result cannot be written to the sink: it already holds data, access is denied, or the disk is full."""

    exit_code = 4


class StorageUnavailable(DataJobError):
    """The storage is unavailable or overloaded. Retrying resumes the run."""

    exit_code = 6


class SinkBusy(DataJobError):
    """Another run is writing to the sink. Retrying helps once that run has ended, or one minute after it was killed."""

    exit_code = 8


class RowsFailed(DataJobError):
    """Rows failed, and `spec.errors` does not allow it: `policy: fail`, or more rows than `maxRatio`."""

    exit_code = 5


class WorkerDied(DataJobError):
    """Every worker that processed a shard terminated, for example because it ran out of memory. Three workers try a shard."""

    exit_code = 7
