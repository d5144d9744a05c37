"""Data files of Lance, with the types that Lance supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, SinkError
from datajob.formats._columns import rebuilt
from datajob.formats._lance_blobs import with_blobs
from datajob.formats._lance_table import lance_errors
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import OutputFile
from datajob.media.values import is_list, is_media

if TYPE_CHECKING:
    import pyarrow as pa
    from lance.file import LanceFileWriter

RESERVED = ("_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version", "_row_last_updated_at_version")
PIECE = 16 << 20
"""Bytes of rows after which the size of a file is checked."""


def check_columns(schema: pa.Schema) -> None:
    """Raise InvalidJob for columns that cannot be written."""
    for field in schema:
        if not field.name or "." in field.name or "`" in field.name or field.name in RESERVED:
            raise InvalidJob(f"sink.lance: Lance does not support the name of column {field.name!r}. Rename it with `rename`.")
        if "lance.blob.v2" in str(field.type):
            raise InvalidJob(
                f"sink.lance: column {field.name} of the table contains blobs of version 2, which cannot be written. Leave the "
                "column out with a `drop` step."
            )


def format_version(schema: pa.Schema) -> str:
    """The version of the format for a new table: the oldest one that can represent its columns. Raises InvalidJob."""
    kinds = [str(field.type) for field in schema]
    if not any("map<" in kind for kind in kinds):
        return "2.1"
    if any(has_blob(field.type) for field in schema):
        raise InvalidJob("sink.lance: a table cannot have both maps and blobs. Set `media: embed`, or leave out the maps.")
    return "2.2"


def has_blob(kind: Any) -> bool:
    """Whether a type is that of media with blobs."""
    import pyarrow as pa

    return pa.types.is_struct(kind) and any(b"lance-encoding:blob" in (member.metadata or {}) for member in kind)


def stored_types(schema: pa.Schema, blobs: bool) -> pa.Schema:
    """The columns with types of Lance that represent all of their values. Raises InvalidJob if there is none."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _stored(field, blobs)) for field in schema])


def _stored(field: pa.Field[Any], blobs: bool) -> Any:
    if blobs and is_media(field.type):
        if is_list(field.type):
            raise InvalidJob(f"sink.lance: column {field.name} is a list, and Lance cannot store lists of blobs.")
        return with_blobs(field.type)

    import pyarrow as pa
    import pyarrow.types as t

    refused = InvalidJob(
        f"sink.lance: column {field.name} is {field.type}, which Lance tables cannot store. Convert it with a `cast` step or "
        "leave it out with a `drop` step."
    )
    if "struct<>" in str(field.type):
        raise refused

    def leaf(kind: Any) -> Any:

        if isinstance(kind, pa.JsonType) or t.is_null(kind):
            return pa.string()
        if t.is_decimal(kind) and kind.bit_width < 128:
            return pa.decimal128(kind.precision, kind.scale)
        if t.is_interval(kind) or t.is_union(kind) or t.is_run_end_encoded(kind):
            raise refused
        return kind

    return rebuilt(field.type, leaf)


class LanceFiles:
    """A `ShardWriter` for files named `<prefix>-<n>.lance` of about `file_bytes` bytes in memory."""

    def __init__(self, root: str, prefix: str, schema: pa.Schema, version: str, file_bytes: int) -> None:
        self._root, self._prefix, self._schema, self._version, self._limit = root, prefix, schema, version, file_bytes
        self._files: list[_File] = []

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        rows = max(1, table.num_rows * PIECE // max(1, table.nbytes))
        for start in range(0, max(1, table.num_rows), rows):
            part = table.slice(start, rows)
            if not self._files or self._files[-1].bytes >= self._limit:
                if self._files:
                    self._files[-1].finish()
                name = f"{self._prefix}-{len(self._files):03}.lance"
                self._files.append(_File(self._root, name, self._schema, self._version))
            self._files[-1].write(part)

    def close(self) -> list[OutputFile]:
        """Finish and rename the files."""
        try:
            if self._files:
                self._files[-1].finish()
            for file in self._files:
                file.place.commit()
        except BaseException:
            self.abort()
            raise
        stats = {"columns": self._schema.names, "format": self._version}
        return [OutputFile(file.name, file.rows, file.place.size, stats) for file in self._files]

    def abort(self) -> None:
        """Delete all temporary files; never raises."""
        for file in self._files:
            file.place.abort()


class _File:
    """A file in progress. Lance writes it itself, to the temporary place of an atomic file."""

    def __init__(self, root: str, name: str, schema: pa.Schema, version: str) -> None:
        from lance.file import LanceFileWriter

        self.name, self.rows, self.bytes = name, 0, 0
        self.place = AtomicFile(root, name)
        with lance_errors(self.place.path, SinkError):
            self._writer: LanceFileWriter = LanceFileWriter(str(self.place.waiting), schema, version=version)

    def write(self, table: pa.Table) -> None:
        with lance_errors(self.place.path, SinkError):
            for batch in table.combine_chunks().to_batches():
                self._writer.write_batch(batch)
        self.rows += table.num_rows
        self.bytes += table.nbytes

    def finish(self) -> None:
        with lance_errors(self.place.path, SinkError):
            self._writer.close()
