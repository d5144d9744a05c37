"""Reading ahead of small remote files, whose time goes into waiting for the store: several at once, handed on in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from datajob.errors import DataJobError
from datajob.formats.base import Fragment, OnBadRecord
from datajob.formats.storage import scheme_of

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW = 16
"""Files on their way at once."""
SMALL = 1 << 20
"""Bytes up to which a file is read ahead; a worker holds WINDOW of them."""

Read = Callable[[Fragment, OnBadRecord], Iterator["pa.Table"]]


@dataclass
class Loaded:
    """What reading a file gave, up to the error that ended it."""

    tables: list[pa.Table] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    error: DataJobError | None = None


def prefetch(fragments: Sequence[Fragment], read: Read, on_bad: OnBadRecord) -> Iterator[tuple[Fragment, Iterator[pa.Table]]]:
    """Each fragment with its tables, in order. What reading raises is raised when the tables are asked for."""
    if not any(map(_is_worth_it, fragments)):
        yield from ((fragment, read(fragment, on_bad)) for fragment in fragments)
        return

    def load(fragment: Fragment) -> Loaded:
        loaded = Loaded()
        try:
            loaded.tables.extend(read(fragment, lambda record, reason: loaded.bad.append((record, reason))))
        except DataJobError as error:
            loaded.error = error
        return loaded

    with ThreadPoolExecutor(WINDOW, thread_name_prefix="read-ahead") as pool:
        waiting: deque[tuple[Fragment, Future[Loaded] | None]] = deque()
        coming = iter(fragments)
        try:
            while True:
                while len(waiting) < WINDOW and (fragment := next(coming, None)) is not None:
                    waiting.append((fragment, pool.submit(load, fragment) if _is_worth_it(fragment) else None))
                if not waiting:
                    return
                fragment, future = waiting.popleft()
                yield fragment, _tables(future, on_bad) if future else read(fragment, on_bad)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _is_worth_it(fragment: Fragment) -> bool:
    return fragment.file.size <= SMALL and bool(scheme_of(fragment.file.path))


def _tables(future: Future[Loaded], on_bad: OnBadRecord) -> Iterator[pa.Table]:
    loaded = future.result()
    for record, reason in loaded.bad:
        on_bad(record, reason)
    yield from loaded.tables
    if loaded.error is not None:
        raise loaded.error
