"""The exceptions of the project, named after what has to be fixed.

Every message states what is wrong, where, and how to fix it.
"""

import re
from collections.abc import Sequence
from typing import Any

_BEGIN, _END = "\x02", "\x03"
_PRIVATE = re.compile(f"{_BEGIN}[^{_END}]*(?:{_END}|$)")  # a text that was cut has no end


def private(text: str) -> str:
    """Mark a part of a message that contains values of rows. `str` of the error includes it, `DataJobError.public` does not."""
    return f"{_BEGIN}{plain(text)}{_END}"


def plain(marked: str) -> str:
    """A text without the marks of its private parts, which it includes."""
    return marked.replace(_BEGIN, "").replace(_END, "")


def public(marked: str) -> str:
    """A text without its private parts."""
    return _PRIVATE.sub("", marked)


def checked(text: str) -> str:
    """A text whose values of rows are marked, if it contains any."""
    return text if _BEGIN in text else f"{text}{_BEGIN}{_END}"


def marked(text: str) -> str:
    """A text of unknown origin: without marks, all of it is private."""
    return text if _BEGIN in text else private(text)


def described(error: BaseException) -> str:
    """The type and the message of an exception, of which only the type is public: user code may raise anything."""
    name = type(error).__name__
    try:
        text = f": {error}"
    except Exception:  # noqa: BLE001 - its own `__str__` raises
        text = ""
    word = f": {error.reason}" if type(error).__module__.startswith("datajob.") and hasattr(error, "reason") else ""
    name, text = (f"{name}{word}", text[len(word) :]) if word and text.startswith(word) else (name, text)
    return f"{name}{private(text)}".encode("utf-8", "backslashreplace").decode()


def frames(error: BaseException) -> str:
    """The traceback of an exception and its causes, without their messages."""
    import traceback

    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    parts = ["".join([*traceback.format_tb(one.__traceback__), f"{type(one).__name__}\n"]) for one in reversed(chain)]
    return "Traceback without the messages of the exceptions:\n" + "followed by\n".join(parts)


class DataJobError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_code = 1

    @property
    def marked(self) -> str:
        """The message with the marks of its private parts."""
        return super().__str__()

    @property
    def public(self) -> str:
        """The message without values of rows."""
        return public(self.marked)

    def __str__(self) -> str:
        return plain(self.marked)


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


class EndpointUnavailable(DataJobError):
    """An endpoint of a model has not answered any request for a long time. Retrying resumes the run."""

    exit_code = 11


class SinkBusy(DataJobError):
    """Another run is writing to the sink. Retrying helps once that run has ended, or one minute after it was killed."""

    exit_code = 8


class RowsFailed(DataJobError):
    """Rows failed, and `spec.errors` does not allow it: `policy: fail`, or more rows than `maxRatio`."""

    exit_code = 5


class WorkerDied(DataJobError):
    """Every worker that processed a shard terminated, for example because it ran out of memory. Three workers try a shard."""

    exit_code = 7


class ClusterUnavailable(DataJobError):
    """The Kubernetes API server cannot be reached, or refuses a request of `datajob submit`."""

    exit_code = 9


class NotComplete(DataJobError):
    """A submitted DataJob failed for a reason that has no other code, was deleted, or did not finish in time."""

    exit_code = 10


def describe_error(error: Exception) -> str:
    """The type and the message of an exception, as text that can be stored."""
    return plain(described(error))
