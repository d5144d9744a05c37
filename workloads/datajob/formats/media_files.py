"""Fetches the bytes of media values: one ranged read each, from local disks, object stores and the web.

What is wrong with a reference fails its row, with one word as the reason (MediaError). Only a storage that is unavailable as
a whole ends the job, so that a retry resumes it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from datajob.errors import InputError, StorageUnavailable
from datajob.formats import _web
from datajob.formats.storage import explain, join, readable, resolve, scheme_of
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.references import is_url
from datajob.media.values import MediaValue

MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value of the Arrow type `binary`."""
THREADS = 16
STORE_PIECE = 4 << 20
"""Bytes of a read of an object store, where each request takes long."""
_STORE_REASONS = (
    ("permission denied", "denied"),
    ("credentials are invalid", "denied"),
    ("bucket does not exist", "notFound"),
    ("it does not exist", "notFound"),
)


def fetch(value: MediaValue, folder: str | None = None, first: int | None = None, limit: int = MAX_BYTES) -> bytes | memoryview:
    """The encoded bytes of a value, or only its `first` bytes. Relative paths are below `folder`, and must remain there.

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
        data = _read(located(value, folder), value.byte_range, first, limit)
    if not len(data):
        raise MediaError("empty", f"{value.path}: the file is empty" if value.data is None else "the value has no bytes")
    return data


def fetch_all(
    values: Iterable[MediaValue], folder: str | None = None, threads: int = THREADS
) -> Iterator[bytes | memoryview | MediaError]:
    """The bytes of each value or why there are none, in order. `threads` files are read at the same time.

    Values that have bytes do not wait for a thread, and are not copied.
    """
    from collections import deque

    def one(value: MediaValue) -> Any:
        try:
            return fetch(value, folder)
        except MediaError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Any] = deque()
        for value in values:
            if value.data is not None and not ahead:
                yield one(value)
                continue
            ahead.append(pool.submit(one, value))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def open_file(value: MediaValue, folder: str | None = None) -> MediaFile:
    """A value as a file, of which only the parts that are used are read. Files on the web are read completely.

    Raises the errors of `fetch`; reading from the file does so as well.
    """
    if value.data is not None or value.missing or value.problem is not None:
        return MediaFile.of(fetch(value, folder))
    path = located(value, folder)
    if is_url(path):
        return MediaFile.of(fetch(value, folder))
    file = _open_in_store(path) if scheme_of(path) else _open_local(path)
    if value.byte_range is not None:
        start, length = value.byte_range
        if start + length > file.size:
            file.close()
            raise MediaError("truncated", f"{path}: the file ends before byte {start + length:,}")
        whole = file
        file = MediaFile(lambda offset, size: whole.part(start + offset, size), length, close=whole.close)
    if not file.size:
        file.close()
        raise MediaError("empty", f"{path}: the file is empty")
    return file


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


def _read(path: str, byte_range: tuple[int, int] | None, first: int | None, limit: int) -> bytes:
    start, length = byte_range or (0, None)
    if length is not None and length > limit:
        raise MediaError("tooLarge", f"{path}: {length:,} bytes; the limit is {limit:,}")
    wanted = length if first is None else first if length is None else min(first, length)
    read = _web.read if is_url(path) else _in_store if scheme_of(path) else _local
    data = read(path, start, wanted, limit)
    if length is not None and wanted is not None and len(data) < wanted:
        raise MediaError("truncated", f"{path}: the file ends before byte {start + length:,}")
    return data


def _local(path: str, start: int, wanted: int | None, limit: int) -> bytes:
    file, size = _opened(path)
    try:
        left = max(0, size - start)
        left = left if wanted is None else wanted
        if left > limit:
            raise MediaError("tooLarge", f"{path}: {left:,} bytes; the limit is {limit:,}")
        return _all(file, start, min(left, max(0, size - start)))
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


def _open_local(path: str) -> MediaFile:
    file, size = _opened(path)

    def read_at(offset: int, wanted: int) -> bytes:
        try:
            return _all(file, offset, wanted)
        except OSError as error:
            raise MediaError("unreadable", f"{path}: {explain(error)}") from error

    return MediaFile(read_at, size, close=lambda: os.close(file))


def _open_in_store(path: str) -> MediaFile:
    with _store_errors(path):
        filesystem, inner = resolve(path)
        file = filesystem.open_input_file(inner)
        size = file.size()

    def read_at(offset: int, wanted: int) -> bytes:
        with _store_errors(path):
            return bytes(file.read_at(wanted, offset))

    return MediaFile(read_at, size, piece=STORE_PIECE, close=file.close)


def _all(file: int, start: int, size: int) -> bytes:
    """The bytes of a file from `start` on; fewer at its end. One call reads at most 2 GiB."""
    data = os.pread(file, size, start)
    while len(data) < size and (more := os.pread(file, size - len(data), start + len(data))):
        data += more
    return data


def _in_store(path: str, start: int, wanted: int | None, limit: int) -> bytes:
    with _store_errors(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            left = max(0, file.size() - start)
            size = left if wanted is None else min(wanted, left)
            if size > limit:
                raise MediaError("tooLarge", f"{path}: {size:,} bytes; the limit is {limit:,}")
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
