"""Atomic files on every kind of storage: readers see the whole file or none."""

from __future__ import annotations

import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from datajob.errors import SinkError
from datajob.formats.storage import BOOKKEEPING, join, resolve, scheme_of, storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

ATOMIC_UPLOADS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory")
"""Schemes whose objects become visible as a whole when the upload ends. Elsewhere, a temporary file is renamed."""
ONE_REQUEST_BYTES = 4 << 20
"""Maximum size of an S3 object that is written with one PUT (less than the part size, 10 MB in pyarrow)."""


class AtomicFile:
    """A file in progress: write to `stream`, then call `commit` to give it its name, or `abort` to discard it.

    Local files are written to `<root>/_datajob/tmp/` and renamed. There is no fsync: files must survive a killed process, for
    which the page cache of the kernel is sufficient. For other storage, data is written to a local temporary file and uploaded
    in one call by `commit`, because the destructor of pyarrow completes an upload that was interrupted by an error.
    """

    def __init__(self, root: str, name: str) -> None:
        import pyarrow as pa

        self.path = join(root, name)
        self.size = 0
        """Size in bytes, known after the commit."""
        self._root = root
        with storage_errors(self.path, SinkError, "write it"):
            self.waiting = _waiting_place(root, name)
            self.stream: pa.NativeFile = pa.OSFile(str(self.waiting), "wb")

    def commit(self) -> None:
        """Make the file visible under its final name, replace an existing file, and set `size`."""
        try:
            with storage_errors(self.path, SinkError, "write it"):
                self.stream.close()
                self.size = self.waiting.stat().st_size
                if scheme_of(self.path):
                    _upload(self._root, self.path, self.waiting)
                else:
                    final = Path(resolve(self.path)[1])
                    final.parent.mkdir(parents=True, exist_ok=True)
                    self.waiting.replace(final)
        finally:
            self.abort()

    def abort(self) -> None:
        """Discard the data; never raises."""
        with suppress(OSError, ValueError):
            self.stream.close()
        with suppress(OSError):
            self.waiting.unlink(missing_ok=True)


def _waiting_place(root: str, name: str) -> Path:
    unique = f"{uuid.uuid4().hex}-{name.rsplit('/', 1)[-1]}"
    if scheme_of(root):
        return Path(tempfile.gettempdir()) / f"datajob-{unique}"
    folder = Path(resolve(root)[1]) / BOOKKEEPING / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / unique


def _upload(root: str, path: str, waiting: Path) -> None:
    import pyarrow as pa

    with pa.memory_map(str(waiting)) as source:
        put(root, path, source.read_buffer())


def put(root: str, path: str, data: pa.Buffer | bytes) -> None:
    """Write a whole object below `root` in one call, so that no Python exception can interrupt it.

    pyarrow would compress files with names such as `a.jsonl.gz`, whose data is compressed already.
    """
    filesystem, final = resolve(path, in_one_request=len(data) <= ONE_REQUEST_BYTES)
    if scheme_of(path) in ATOMIC_UPLOADS:
        with filesystem.open_output_stream(final, compression=None) as upload:
            upload.write(data)
        return
    target = resolve(join(root, BOOKKEEPING, "tmp", uuid.uuid4().hex))[1]
    for file in (target, final):
        filesystem.create_dir(file.rsplit("/", 1)[0], recursive=True)
    with filesystem.open_output_stream(target, compression=None) as upload:
        upload.write(data)
    filesystem.move(target, final)
