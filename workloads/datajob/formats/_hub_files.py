"""The files of repositories on the Hugging Face Hub as a file system of Arrow, with the errors of `_hub`.

The file system of the client lists the folder of a file to open it. A file of a data set at a known commit is opened with one
request here, because each of many workers opens some of many files.
"""

from __future__ import annotations

import io
import re
from typing import Any

from pyarrow import PythonFile
from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

from datajob.errors import InputError
from datajob.formats._hub import endpoint, fetch, file_address, hub_errors
from datajob.formats._table_packages import package

_AT_COMMIT = re.compile(r"datasets/(?P<name>[^@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")
STREAM_BUFFER = 8 << 20
"""Bytes per request while a file is read from its start to its end."""


def hub_filesystem() -> FileSystem:
    """The file system of `hf://`, for reading."""
    client = package("huggingface_hub", "hf://", "huggingface").HfFileSystem(endpoint=endpoint())
    filesystem: FileSystem = PyFileSystem(_Handler(client))
    return filesystem


class _Handler(FSSpecHandler):  # type: ignore[misc]
    """Opens files, and converts the errors of other operations."""

    def get_file_info(self, paths: list[str]) -> Any:
        with hub_errors(f"hf://{paths[0]}" if paths else "hf://", InputError):
            return super().get_file_info(paths)

    def get_file_info_selector(self, selector: Any) -> Any:
        with hub_errors(f"hf://{selector.base_dir}", InputError):
            return super().get_file_info_selector(selector)

    def open_input_stream(self, path: str) -> Any:
        return PythonFile(io.BufferedReader(self._open(path), STREAM_BUFFER), mode="r")

    def open_input_file(self, path: str) -> Any:
        return PythonFile(self._open(path), mode="r")

    def _open(self, path: str) -> HubInput:
        with hub_errors(f"hf://{path}", InputError):
            return HubInput(f"hf://{path}", self._address(path))

    def _address(self, path: str) -> str:
        """The URL of a file. The client resolves names of revisions."""
        if match := _AT_COMMIT.fullmatch(path):
            return file_address(**match.groupdict())
        return str(self.fs.url(path))


class HubInput(io.RawIOBase):
    """A file that is read by ranges. Its errors are those of `hub_errors`."""

    def __init__(self, place: str, address: str) -> None:
        from huggingface_hub import get_hf_file_metadata

        self._place, self._address = place, address
        self._position = 0
        self._size = get_hf_file_metadata(address, retry_on_errors=True).size or 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._range(self._position, min(self._position + len(buffer), self._size))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """All of `size` bytes in one request, in contrast to other raw files."""
        end = self._size if size < 0 else min(self._position + size, self._size)
        data = self._range(self._position, end)
        self._position += len(data)
        return data

    def _range(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with hub_errors(self._place, InputError):
            data = fetch(self._address, Range=f"bytes={start}-{end - 1}")
        if len(data) != end - start:
            raise InputError(f"{self._place}: the Hub returned {len(data)} bytes in place of {end - start}.")
        return data
