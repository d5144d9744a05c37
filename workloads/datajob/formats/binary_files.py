"""Files of any format, one row per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.formats._columns import conform, with_file_columns
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord
from datajob.formats.storage import readable, resolve
from datajob.media.references import literal

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = (1 << 31) - 1
"""The maximum size of a value of the Arrow type `binary`."""
Load = Literal["bytes", "reference"]
LOAD_FIELD: Any = Field(
    default="bytes",
    description="Content of the rows: the bytes of the files, or only references to them. Steps read the bytes of a reference "
    "when they need them, and so does the sink, so the files must remain in place until the job has ended.",
)


class BinaryFilesReader(FileReader):
    """Files of any format, one row per file with its `path`, its `bytes` and its `size`.

    With `load: reference`, the rows have no `bytes`; steps for media take the column `path`.
    """

    load: Load = LOAD_FIELD

    def known_columns(self) -> tuple[str, ...]:
        """`path`, `bytes` and `size`, without hive partitions."""
        return (*self._kinds(), *((self.include_path,) if self.include_path else ()))

    def _kinds(self) -> dict[str, str]:
        return {"path": "string", **({"bytes": "binary"} if self.load == "bytes" else {}), "size": "int64"}

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`path: string`, `bytes: binary`, `size: int64`."""
        import pyarrow as pa

        return with_file_columns(pa.schema([(name, getattr(pa, kind)()) for name, kind in self._kinds().items()]), self, files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row. A file larger than 2 GiB is passed to `on_bad`, unless only references are read."""
        import pyarrow as pa

        path, size = fragment.file.path, fragment.file.size
        if self.load == "reference":
            yield conform(pa.table({"path": [literal(path, size)], "size": [size]}), schema, fragment, self)
            return
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
