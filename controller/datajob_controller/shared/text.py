"""Bounds everything that comes from pods before it enters a status or an Event."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_TEXT = 3000
"""Maximum length of a message from a pod, in characters."""
MAX_NAME = 500
"""Maximum length of a name, a path or a value in a report, in characters."""
MAX_ENTRIES = 200
"""Maximum number of entries of a list or mapping in a report."""
MAX_LISTED_PROBLEMS = 10
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_RAY_START = re.compile(
    r"(\d{4}-\d\d-\d\d [\d:,]+\s+\w+ (scripts|usage_lib)\.py:\d+ -- )?\s*("
    r"$|-+$|Usage stats collection is |Local node IP: |Ray runtime started\.|Next steps$|Notice: "
    r"|To add another node to this Ray |ray start --address=|To connect to this Ray cluster:|import ray$|ray\.init\("
    r"|To submit a Ray job using |RAY_API_SERVER_ADDRESS=|See https://docs\.ray\.io/|for more information on submitting "
    r"|To terminate the Ray runtime, |ray stop$|To view the status of |ray status$|To monitor and debug Ray, |[\d.]+:\d+$"
    r"|If connection to the dashboard fails|--block$|This command will now block "
    r"|Running subprocesses are monitored |Subprocesses exit with SIGTERM )"
)
"""Beginnings of the lines that `ray start` prints in every pod; the other lines of its output state errors."""
_CUT = "\n...\n"


def plain(text: str) -> str:
    """A text without terminal escape sequences and control characters, except newlines and tabs."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def sentence(text: str, limit: int = MAX_TEXT) -> str:
    """A text within a limit that another sentence can follow."""
    return shortened(text, limit).rstrip(" .\n") + "."


def without_start(log: str) -> str:
    """The plain output of a pod without what `ray start` prints in every pod."""
    return "\n".join(line for line in plain(log).splitlines() if not _RAY_START.match(line))


def shortened(text: str, limit: int = MAX_TEXT) -> str:
    """The plain text within a limit: its beginning, which states what failed, and its end, which states the error."""
    clean = plain(text)
    if len(clean) <= limit:
        return clean
    first = limit // 3
    return clean[:first] + _CUT + clean[first + len(_CUT) - limit :]


def listed_problems(problems: Sequence[str]) -> str:
    """The first problems of a spec, and the number of the others."""
    more = len(problems) - MAX_LISTED_PROBLEMS
    return "; ".join([*problems[:MAX_LISTED_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])


def bounded(value: Any) -> Any:
    """A part of a report with short strings and few entries."""
    if isinstance(value, str):
        return plain(value)[:MAX_NAME]
    if isinstance(value, Mapping):
        return {bounded(key): bounded(one) for key, one in [*value.items()][:MAX_ENTRIES]}
    if isinstance(value, list | tuple):
        return [bounded(one) for one in value[:MAX_ENTRIES]]
    return value
