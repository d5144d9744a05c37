"""Files of any format, one row per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.formats._columns import conform, with_file_columns
from datajob.formats.base import Fragment, InputFile, OnBadRecord, Reader
from datajob.formats.storage import readable, resolve

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value of the Arrow type `binary`."""


class BinaryFilesReader(Reader):
    """Files of any format, one row per file with its `path`, its `bytes` and its `size`."""

    def known_columns(self) -> tuple[str, ...]:
        """`path`, `bytes` and `size`, without hive partitions."""
        return ("path", "bytes", "size", *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`path: string`, `bytes: binary`, `size: int64`."""
        import pyarrow as pa

        columns: dict[str, Any] = {"path": pa.string(), "bytes": pa.binary(), "size": pa.int64()}
        return with_file_columns(pa.schema(list(columns.items())), self, files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row. A file larger than 2 GiB is passed to `on_bad`."""
        import pyarrow as pa

        path = fragment.file.path
        data = whole_file(path, on_bad)
        if data is not None:
            row = pa.table({"path": [path], "bytes": pa.array([data], pa.binary()), "size": [len(data)]})
            yield conform(row, schema, fragment, self)


def whole_file(path: str, on_bad: OnBadRecord) -> bytes | None:
    """The content of a file. If it is too large for a value, it is a bad record and the result is None."""
    with readable(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            if file.size() <= MAX_BYTES:
                return bytes(file.read())
    on_bad("", f"{path}: larger than 2 GiB, the maximum size of a value")
    return None
