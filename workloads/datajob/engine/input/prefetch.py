"""Reads small remote files in advance, several at once and in order: most of their time is waiting for the storage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.errors import InputError
from datajob.formats.base import Fragment
from datajob.formats.storage import scheme_of

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW = 16
"""Number of files that are read at once."""
SMALL = 1 << 20
"""Files up to this many bytes are prefetched; a worker holds up to WINDOW of them."""


@dataclass(frozen=True)
class BadRecord:
    """A record, or a whole file, that cannot be read."""

    record: str
    """The record as text, or the path of the file."""
    reason: str
    error: InputError | None = None
    """For a file, the error to raise if the job must stop."""


OnBad = Callable[[BadRecord], None]
Read = Callable[[Fragment, OnBad], Iterator["pa.Table"]]


def prefetch(fragments: Sequence[Fragment], read: Read, on_bad: OnBad) -> Iterator[pa.Table]:
    """The tables of all fragments, in order. Bad records and exceptions appear in their places."""
    if not any(map(_is_small_and_remote, fragments)):
        for fragment in fragments:
            yield from read(fragment, on_bad)
        return
    with ThreadPoolExecutor(WINDOW, thread_name_prefix="prefetch") as pool:
        waiting: deque[Fragment | Future[_Prefetched]] = deque()
        coming = iter(fragments)
        try:
            while True:
                while len(waiting) < WINDOW and (following := next(coming, None)) is not None:
                    small = _is_small_and_remote(following)
                    waiting.append(pool.submit(_Prefetched, following, read) if small else following)
                if not waiting:
                    return
                first = waiting.popleft()
                yield from first.result().replay(on_bad) if isinstance(first, Future) else read(first, on_bad)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Prefetched:
    """Everything that reading a small file gave, up to the exception that ended it."""

    def __init__(self, fragment: Fragment, read: Read) -> None:
        self._found: list[pa.Table | BadRecord] = []
        self._error: Exception | None = None
        try:
            for table in read(fragment, self._found.append):
                self._found.append(table)
        except Exception as error:  # noqa: BLE001 - raised again by `replay`
            self._error = error

    def replay(self, on_bad: OnBad) -> Iterator[pa.Table]:
        """The same tables, bad records and exception."""
        for each in self._found:
            if isinstance(each, BadRecord):
                on_bad(each)
            else:
                yield each
        if self._error is not None:
            raise self._error


def _is_small_and_remote(fragment: Fragment) -> bool:
    return fragment.file.size <= SMALL and bool(scheme_of(fragment.file.path))
