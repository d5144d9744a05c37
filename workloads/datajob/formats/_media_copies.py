"""Media of a shard as files next to its rows: the rows then hold the paths of the copies."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from datajob.errors import SinkError
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import OutputFile, ShardWriter
from datajob.formats.storage import storage_errors
from datajob.media.references import Reference
from datajob.media.signatures import ending_of
from datajob.media.values import MediaValue, is_list, media_values

if TYPE_CHECKING:
    import pyarrow as pa


def copied_schema(schema: pa.Schema, columns: tuple[str, ...]) -> pa.Schema:
    """The columns of the rows: paths in place of media."""
    for name in columns:
        index = schema.get_field_index(name)
        schema = schema.set(index, schema.field(index).with_type(_kind(schema.field(index).type)))
    return schema


def _kind(kind: Any) -> Any:
    import pyarrow as pa

    return pa.list_(pa.string()) if is_list(kind) else pa.string()


class MediaCopies:
    """A `ShardWriter`: media as files `<prefix>-media/<digest of the content><ending>`, and rows by another writer.

    Paths are relative to the sink. Equal media of a shard share a file. The files become visible before the rows.
    """

    def __init__(self, root: str, prefix: str, columns: tuple[str, ...], rows: ShardWriter) -> None:
        self._root, self._prefix, self._columns, self._rows = root, prefix, columns, rows
        self._files: dict[str, AtomicFile] = {}

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        import pyarrow as pa

        with storage_errors(self._root, SinkError, "write to it"):
            for name in self._columns:
                column = table.column(name)
                cells: Any = media_values(column)
                paths = [[self._path(v) for v in cell] if isinstance(cell, tuple) else self._path(cell) for cell in cells]
                if column.null_count:
                    paths = [None if null else path for path, null in zip(paths, column.is_null().to_pylist(), strict=True)]
                index = table.schema.get_field_index(name)
                table = table.set_column(index, name, pa.array(paths, _kind(column.type)))
        self._rows.write(table)

    def _path(self, value: MediaValue) -> str | None:
        if value.data is None:
            return None
        digest = hashlib.blake2b(value.data, digest_size=16).hexdigest()
        name = f"{self._prefix}-media/{digest}{ending_of(value.data)}"
        if name not in self._files:
            self._files[name] = file = AtomicFile(self._root, name)
            file.stream.write(value.data)
            file.stream.close()
        return str(Reference(name, None, value.time_span))

    def close(self) -> list[OutputFile]:
        """Rename the files, those of the rows last."""
        try:
            for file in self._files.values():
                file.commit()
        except BaseException:
            self.abort()
            raise
        copies = [OutputFile(name, 0, file.size) for name, file in self._files.items()]
        return sorted([*copies, *self._rows.close()], key=lambda file: file.path)

    def abort(self) -> None:
        """Delete all temporary files; never raises."""
        for file in self._files.values():
            file.abort()
        self._rows.abort()
