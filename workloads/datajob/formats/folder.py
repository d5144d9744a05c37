"""Small metadata files next to a result: written atomically, listed, deleted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from datajob.errors import DataJobError, InputError, SinkError
from datajob.formats._local_files import walk
from datajob.formats.atomic_file import put
from datajob.formats.storage import join, resolve, scheme_of, storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

DELETE_THREADS = 16
_INCOMPLETE = re.compile(r"(.*/)?\.[0-9a-f]{32}\.tmp")
"""Files that `write` has not renamed yet. Those of a killed process stay."""


class Folder:
    """A folder of small files that are written atomically. Names are relative and separated by `/`."""

    def __init__(self, path: str, reading: type[DataJobError] = InputError) -> None:
        """`reading` is the error that is raised if the folder cannot be read."""
        self.path = path.rstrip("/") or path
        self._reading = reading
        self._filesystem, self._inner = resolve(path)
        self._local = not scheme_of(path)

    def join(self, name: str) -> str:
        """The full path of `name`."""
        return join(self.path, name)

    def _at(self, name: str) -> str:
        return join(self._inner, name) if name else self._inner

    def exists(self, name: str) -> bool:
        """Whether `name` exists, as a file or a folder."""
        from pyarrow.fs import FileType

        with storage_errors(self.join(name), self._reading, "look at it"):
            return bool(self._filesystem.get_file_info(self._at(name)).type != FileType.NotFound)

    def read(self, name: str) -> bytes:
        """The content of a file. Raises an error if it does not exist."""
        with (
            storage_errors(self.join(name), self._reading, "read it"),
            self._filesystem.open_input_stream(self._at(name), compression=None) as stream,
        ):
            return bytes(stream.read())

    def open_input(self, name: str) -> pa.NativeFile:
        """A file for random access."""
        with storage_errors(self.join(name), self._reading, "open it"):
            return self._filesystem.open_input_file(self._at(name))

    def write(self, name: str, *parts: bytes | pa.Buffer) -> None:
        """Replace a file by one with these parts. Readers see the old or the new one, never a part."""
        with storage_errors(self.join(name), SinkError, "write it"):
            if not self._local:
                return put(self.path, self.join(name), parts[0] if len(parts) == 1 else b"".join(parts))
            final = Path(self._at(name))
            final.parent.mkdir(parents=True, exist_ok=True)
            waiting = final.with_name(f".{uuid.uuid4().hex}.tmp")
            try:
                with waiting.open("wb") as file:
                    file.writelines(parts)
                waiting.replace(final)
            finally:
                waiting.unlink(missing_ok=True)

    def list(self, sub: str = "", recursive: bool = False) -> dict[str, int]:
        """Size in bytes of each complete file below `sub`, by name relative to this folder, sorted; empty without `sub`."""
        from pyarrow.fs import FileSelector, FileType

        prefix = len(self._inner.rstrip("/")) + 1
        with storage_errors(self.join(sub), self._reading, "list it"):
            if self._local:
                files = ((file.path[prefix:], file.size) for file in walk(self._at(sub), recursive))
                return dict(sorted(file for file in files if not _INCOMPLETE.fullmatch(file[0])))
            found = self._filesystem.get_file_info(FileSelector(self._at(sub), allow_not_found=True, recursive=recursive))
        return {f.path[prefix:]: f.size for f in sorted(found, key=lambda f: str(f.path)) if f.type == FileType.File}

    def delete(self, names: Iterable[str]) -> None:
        """Delete files. Missing files are ignored."""

        def one(name: str) -> None:
            with storage_errors(self.join(name), SinkError, "delete it"), suppress(FileNotFoundError):
                self._filesystem.delete_file(self._at(name))

        with ThreadPoolExecutor(1 if self._local else DELETE_THREADS) as pool:
            list(pool.map(one, names))

    def delete_tree(self, sub: str = "") -> None:
        """Delete a folder recursively. A missing folder is ignored."""
        with storage_errors(self.join(sub), SinkError, "delete it"):
            if not self._local:  # in one request, a store with folders as objects would delete a folder before its content
                self.delete(self.list(sub, recursive=True))
            for folder in [*([] if self._local else self._folders(sub)), *([self._at(sub)] if self.exists(sub) else [])]:
                with suppress(FileNotFoundError):
                    self._filesystem.delete_dir(folder)

    def _folders(self, sub: str) -> Iterable[str]:
        """Folders below a folder, the deepest first. On most object stores, there are none once their files are deleted."""
        import pyarrow.fs as pafs

        found = self._filesystem.get_file_info(pafs.FileSelector(self._at(sub), recursive=True, allow_not_found=True))
        return sorted((i.path for i in found if i.type == pafs.FileType.Directory), key=len, reverse=True)
