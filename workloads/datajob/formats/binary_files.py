"""Files as they are: a row per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.formats._columns import conform, with_file_columns
from datajob.formats.base import Fragment, InputFile, OnBadRecord, Reader
from datajob.formats.storage import readable, resolve

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = (1 << 31) - 1
"""What Arrow's `binary` holds."""


class BinaryFilesReader(Reader):
    """Any files, a row for each: its `path`, its `bytes` and its `size`."""

    def known_columns(self) -> tuple[str, ...]:
        """`path`, `bytes`, `size` (hive partitions come on top)."""
        return ("path", "bytes", "size", *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`path: string`, `bytes: binary`, `size: int64`."""
        import pyarrow as pa

        columns: dict[str, Any] = {"path": pa.string(), "bytes": pa.binary(), "size": pa.int64()}
        return with_file_columns(pa.schema(list(columns.items())), self, files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row; a file beyond 2 GiB goes to `on_bad`."""
        import pyarrow as pa

        path = fragment.file.path
        data = whole_file(path, on_bad)
        if data is not None:
            row = pa.table({"path": [path], "bytes": pa.array([data], pa.binary()), "size": [len(data)]})
            yield conform(row, schema, fragment, self)


def whole_file(path: str, on_bad: OnBadRecord) -> bytes | None:
    """The content of a file; None, and a bad record, when it is larger than a value may be."""
    with readable(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            if file.size() <= MAX_BYTES:
                return bytes(file.read())
    on_bad("", f"{path}: larger than 2 GiB, which no value can be")
    return None
