"""Fetches the bytes of media values: one ranged read each, from local disks, object stores and the web.

What is wrong with a reference fails its row, with one word as the reason (MediaError). Only a storage that is unavailable as
a whole ends the job, so that a retry resumes it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from datajob.errors import InputError, StorageUnavailable
from datajob.formats import _web
from datajob.formats._read_ahead import Admit, read_ahead
from datajob.formats.storage import explain, join, readable, resolve, scheme_of
from datajob.media.errors import MediaError
from datajob.media.files import PIECE, MediaFile
from datajob.media.references import is_url
from datajob.media.values import MediaValue

MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value of the Arrow type `binary`."""
THREADS = 16
STORE_PIECE = 4 << 20
"""Bytes of a read of an object store, where each request takes long."""
HEADER_PIECE, LOCAL_HEADER_PIECE = 64 << 10, 4 << 10
"""Bytes of the first read of a file of which only the header is needed, from the network and from local disks."""
T = TypeVar("T")
R = TypeVar("R")
_STORE_REASONS = (
    ("permission denied", "denied"),
    ("credentials are invalid", "denied"),
    ("bucket does not exist", "notFound"),
    ("it does not exist", "notFound"),
)


def fetch(
    value: MediaValue,
    folder: str | None = None,
    first: int | None = None,
    limit: int = MAX_BYTES,
    admit: Admit = lambda _: None,
) -> bytes | memoryview:
    """The encoded bytes of a value, or only its `first` bytes. Relative paths are below `folder`, and must remain there.

    `admit` is called with the number of bytes before they are read.

    Raises MediaError. Its reasons: `noMedia` (null), `empty` (no bytes), `badReference`, `outsideFolder`, `notFound`,
    `notAFile`, `denied`, `truncated` (the file ends before the range), `tooLarge`, `unreachable`, `tooSlow`, `unreadable`.
    """
    if value.problem is not None:
        raise MediaError("badReference", value.problem.removeprefix("badReference: "))
    if value.missing:
        raise MediaError("noMedia", "the row has no media")
    if value.data is not None:
        data: bytes | memoryview = value.data if first is None else value.data[:first]
    else:
        data = _read(located(value, folder), value.byte_range, first, limit, admit)
    if not len(data):
        raise MediaError("empty", f"{value.path}: the file is empty" if value.data is None else "the value has no bytes")
    return data


def fetch_all(
    values: Iterable[MediaValue], folder: str | None = None, threads: int = THREADS
) -> Iterator[bytes | memoryview | MediaError]:
    """The bytes of each value or why there are none, in order. Values that have bytes are not copied.

    Local files and those of an object store are read ahead while they fit into memory.
    """
    return read_ahead(lambda value, admit: fetch(value, folder, admit=admit), values, threads)


def read_all(read: Callable[[MediaValue], T], values: Iterable[MediaValue], threads: int = THREADS) -> Iterator[T | MediaError]:
    """What `read` returns for each value or why it fails, in order. `threads` files are read at the same time.

    Values that have bytes do not wait for a thread.
    """
    return read_ahead(lambda value, _: read(value), values, threads)


def in_threads(call: Callable[[R], T], rows: Iterable[R], waits: Callable[[R], bool], threads: int = THREADS) -> Iterator[T]:
    """The results of calls that read a little of files, in order; those for rows that `waits` names run at the same time."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[T]] = deque()
        for row in rows:
            if not ahead and not waits(row):
                yield call(row)
                continue
            ahead.append(pool.submit(call, row))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def open_file(value: MediaValue, folder: str | None = None, *, header: bool = False) -> MediaFile:
    """A value as a file, of which only the parts that are used are read; `header`: few parts, in small pieces.

    Files on the web are read completely if their server does not send parts. Raises the errors of `fetch`; reading from the
    file does so as well.
    """
    if value.data is not None or value.missing or value.problem is not None:
        return MediaFile.of(fetch(value, folder))
    path = located(value, folder)
    if is_url(path):
        return _open_on_web(value, path, HEADER_PIECE if header else STORE_PIECE)
    file = _open_in_store(path, header) if scheme_of(path) else _open_local(path, header)
    if value.byte_range is not None:
        start, length = value.byte_range
        if start + length > file.size:
            file.close()
            raise MediaError("truncated", f"{path}: the file ends before byte {start + length:,}")
        file = file.within(start, length)
    if not file.size:
        file.close()
        raise MediaError("empty", f"{path}: the file is empty")
    return file


def _open_on_web(value: MediaValue, url: str, piece: int) -> MediaFile:
    """A file of which the first request also returns the size. It is read completely if the server does not support that."""
    start, length = value.byte_range or (0, None)
    wanted = piece if length is None else min(piece, length)
    try:
        first = _web.beginning(url, start, wanted) if wanted else None
    except MediaError as error:
        if error.reason != "truncated":
            raise
        first = None  # such as an empty file
    if first is None or not first.data or first.size is None:
        return MediaFile.of(fetch(replace(value, path=url)))
    size = first.size - start if length is None else length
    if start + size > first.size or len(first.data) < min(wanted, size):
        raise MediaError("truncated", f"{url}: the file ends before byte {start + size:,}")
    begun, ranges = first.data, first.ranges
    whole: list[bytes | memoryview] = []

    def read_at(offset: int, most: int) -> bytes | memoryview:
        if offset + most <= len(begun):
            return begun[offset : offset + most]
        if ranges:
            return _web.read(url, start + offset, most, MAX_BYTES)
        whole[:] = whole or [fetch(replace(value, path=url))]
        return whole[0][offset : offset + most]

    return MediaFile(read_at, size, piece=len(begun), grow_to=STORE_PIECE)


def located(value: MediaValue, folder: str | None) -> str:
    """The path or URL of a value. Raises MediaError for a local path outside of `folder`."""
    path = str(value.path)
    if "\0" in path:
        raise MediaError("badReference", "the path has a null character")
    if folder is None or scheme_of(path) or is_url(path):
        return path
    path = path.removeprefix("file://")
    inside = posixpath.normpath(path)
    if path.startswith("/"):
        above = posixpath.normpath(folder.removeprefix("file://")).rstrip("/")
        if scheme_of(folder) or not inside.startswith(f"{above}/"):
            raise MediaError("outsideFolder", f"{path} is not below {folder}")
        return path
    if inside == ".." or inside.startswith("../"):
        raise MediaError("outsideFolder", f"{path} is not below {folder}")
    return join(folder, inside)


def _read(path: str, byte_range: tuple[int, int] | None, first: int | None, limit: int, admit: Admit) -> bytes:
    start, length = byte_range or (0, None)
    if length is not None and length > limit:
        raise MediaError("tooLarge", f"{path}: {length:,} bytes; the limit is {limit:,}")
    wanted = length if first is None else first if length is None else min(first, length)
    if is_url(path):
        data = _web.read(path, start, wanted, limit)
    else:
        data = (_in_store if scheme_of(path) else _local)(path, start, wanted, limit, admit)
    if length is not None and wanted is not None and len(data) < wanted:
        raise MediaError("truncated", f"{path}: the file ends before byte {start + length:,}")
    return data


def _local(path: str, start: int, wanted: int | None, limit: int, admit: Admit) -> bytes:
    file, size = _opened(path)
    try:
        left = max(0, size - start)
        left = left if wanted is None else wanted
        if left > limit:
            raise MediaError("tooLarge", f"{path}: {left:,} bytes; the limit is {limit:,}")
        left = min(left, max(0, size - start))
        admit(left)
        return _all(file, start, left)
    except OSError as error:
        raise MediaError("unreadable", f"{path}: {explain(error)}") from error
    finally:
        os.close(file)


def _opened(path: str) -> tuple[int, int]:
    """The descriptor and the size of a local file."""
    path = os.path.expanduser(path.removeprefix("file://"))
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block
    except OSError as error:
        reason = {FileNotFoundError: "notFound", NotADirectoryError: "notFound", PermissionError: "denied"}.get(type(error))
        raise MediaError(reason or "unreadable", f"{path}: {explain(error)}") from error
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        os.close(file)
        raise MediaError("notAFile", f"{path} is not a file")
    return file, found.st_size


def _open_local(path: str, header: bool) -> MediaFile:
    file, size = _opened(path)

    def read_at(offset: int, wanted: int) -> bytes:
        try:
            return _all(file, offset, wanted)
        except OSError as error:
            raise MediaError("unreadable", f"{path}: {explain(error)}") from error

    return MediaFile(read_at, size, LOCAL_HEADER_PIECE if header else PIECE, close=lambda: os.close(file))


def _open_in_store(path: str, header: bool) -> MediaFile:
    with _store_errors(path):
        filesystem, inner = resolve(path)
        file = filesystem.open_input_file(inner)
        size = file.size()

    def read_at(offset: int, wanted: int) -> bytes:
        with _store_errors(path):
            return bytes(file.read_at(wanted, offset))

    return MediaFile(read_at, size, HEADER_PIECE if header else STORE_PIECE, close=file.close, grow_to=STORE_PIECE)


def _all(file: int, start: int, size: int) -> bytes:
    """The bytes of a file from `start` on; fewer at its end. One call reads at most 2 GiB."""
    data = os.pread(file, size, start)
    while len(data) < size and (more := os.pread(file, size - len(data), start + len(data))):
        data += more
    return data


def _in_store(path: str, start: int, wanted: int | None, limit: int, admit: Admit) -> bytes:
    with _store_errors(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            left = max(0, file.size() - start)
            size = left if wanted is None else min(wanted, left)
            if size > limit:
                raise MediaError("tooLarge", f"{path}: {size:,} bytes; the limit is {limit:,}")
            admit(size)
            return bytes(file.read_at(size, start)) if size else b""


@contextmanager
def _store_errors(path: str) -> Iterator[None]:
    """Errors that concern one file as MediaError. A storage that is unavailable as a whole raises StorageUnavailable."""
    try:
        with readable(path):
            yield
    except StorageUnavailable:
        raise
    except InputError as error:
        reason = next((word for words, word in _STORE_REASONS if words in str(error)), "unreadable")
        raise MediaError(reason, str(error)) from error
