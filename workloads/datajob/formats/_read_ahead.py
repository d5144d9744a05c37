"""Reads media values on several threads, in order, while the bytes that wait fit into memory."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from datajob.media.errors import MediaError
from datajob.media.values import MediaValue

AHEAD_BYTES = 64 << 20
"""Bytes that may be read before they are needed."""
Admit = Callable[[int], None]
"""Waits until there is memory for a number of bytes, before they are read."""
T = TypeVar("T")


def read_ahead(
    read: Callable[[MediaValue, Admit], T], values: Iterable[MediaValue], threads: int, most: int = AHEAD_BYTES
) -> Iterator[T | MediaError]:
    """What `read` returns for each value or why it fails, in order. `threads` files are read at the same time.

    Values that have bytes do not wait for a thread.
    """

    def one(value: MediaValue, admit: Admit) -> T | MediaError:
        try:
            return read(value, admit)
        except MediaError as error:
            return error

    window = _Window(most)
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Any] = deque()
        given = 0

        def first() -> T | MediaError:
            """The result that is next."""
            nonlocal given
            window.release(given)
            found: T | MediaError = ahead.popleft().result()
            given += 1
            return found

        try:
            for value in values:
                if value.data is not None and not ahead:
                    given += 1
                    yield one(value, _always)
                    continue
                ahead.append(pool.submit(one, value, partial(window.admit, given + len(ahead))))
                if len(ahead) > threads:
                    yield first()
            while ahead:
                yield first()
        finally:  # the threads end
            window.release(sys.maxsize)


class _Window:
    """The bytes that were read and not used yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sizes: dict[int, int] = {}
        """Bytes of values, by their number."""
        self._next = 0
        """The number of the value that is needed next. It never waits."""
        self._changed = threading.Condition()

    def admit(self, number: int, size: int) -> None:
        """Wait until the bytes of a value fit, or are needed next."""
        with self._changed:
            self._changed.wait_for(lambda: number <= self._next or sum(self._sizes.values()) + size <= self._most)
            self._sizes[number] = size

    def release(self, number: int) -> None:
        """The values before this number were used."""
        with self._changed:
            for used in [each for each in self._sizes if each < number]:
                del self._sizes[used]
            self._next = number
            self._changed.notify_all()


def _always(size: int) -> None:
    """Nothing is read for a value that has bytes."""
