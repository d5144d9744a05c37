"""The project's exceptions: few, named after what the reader of the message has to do.

Every message is one paragraph that says what is wrong, where, and what to do about it.
"""

from collections.abc import Sequence
from typing import Any


class DataJobError(Exception):
    """Base of every error a person should see without a traceback."""

    exit_code = 1


class InvalidJob(DataJobError):
    """The job as written cannot run: fix the YAML. Never retried."""

    exit_code = 2

    def __init__(self, message: str = "", problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        """The problems found (`datajob.api.problems.Problem`), if the message lists several."""


class InputError(DataJobError):
    """The input is missing, unreadable or not what the job says it is. Never retried."""

    exit_code = 3


class SinkError(DataJobError):
    """The result cannot be written where the job says (it exists, no permission, disk full)."""

    exit_code = 4


class StorageUnavailable(DataJobError):
    """The store does not answer or is overloaded: trying again may help, and goes on where the run was."""

    exit_code = 6


class RowsFailed(DataJobError):
    """Rows failed and `errors` says that the job must stop."""

    exit_code = 5
