"""Tables of Lance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, PrivateAttr, model_validator

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import conform, plain_schema, project
from datajob.formats._features import media_columns
from datajob.formats._lance_blobs import as_media, blob_columns, plain_blobs, with_media
from datajob.formats._lance_commit import Publication, check_writable, existing_columns, is_published
from datajob.formats._lance_read import count_rows, data_file, fragment_of, input_files, read_batches, row_ranges
from datajob.formats._lance_table import lance_errors, open_table, table_exists
from datajob.formats._lance_write import LanceFiles, check_columns, format_version, stored_types
from datajob.formats._parquet_check import good_rows
from datajob.formats._table_sink import CastingWriter, TableWriter, hash_of
from datajob.formats._table_source import columns_id
from datajob.formats.base import Fragment, InputFile, OnBadRecord, OutputFile, Reader, ShardWriter
from datajob.formats.folder import Folder
from datajob.parameters import Parameters

if TYPE_CHECKING:
    import pyarrow as pa


class _Place(Parameters):
    path: str = Field(min_length=1, description="Folder of the table: local, `s3://` or another URL that Lance supports.")


class LanceReader(Reader, _Place):
    """A version of a Lance table.

    Deleted rows are not read. The shards of the job are ranges of rows of fragments, so that a run on a changed table reuses
    the results of fragments that have not changed. Blobs become references to media, which are not read before a step or the
    sink needs their bytes; references of media that the table has next to blobs are replaced.
    """

    chooses_files: ClassVar[frozenset[str]] = frozenset({"path", "version", "tag", "timestamp"})

    version: int | None = Field(default=None, ge=1, description="Version to read. By default, the latest.")
    tag: str | None = Field(default=None, min_length=1, description="Tag of the version to read.")
    timestamp: AwareDatetime | None = Field(
        default=None, description="Reads the latest version at this time, such as `2026-11-01T00:00:00Z`."
    )
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns to read, in this order. By default, all."
    )
    blobs: Literal["reference", "bytes"] = Field(
        default="reference",
        description="`reference` reads blobs as media, structs of `bytes` and `path` that refer to the bytes; `bytes` reads "
        "their bytes.",
    )
    _version: int = PrivateAttr(default=0)
    _schema: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_version(self) -> LanceReader:
        if sum(one is not None for one in (self.version, self.tag, self.timestamp)) > 1:
            raise ValueError("set one of `version`, `tag` and `timestamp`")
        return self

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """The folder of the table."""
        return ((("path",), self.path),)

    def known_columns(self) -> tuple[str, ...] | None:
        """`columns` and `includePath` if `columns` is set."""
        return (*self.columns, *((self.include_path,) if self.include_path else ())) if self.columns else None

    def files(self) -> list[InputFile]:
        """The fragments of the version. Raises InputError if the table cannot be read."""
        table = open_table(self.path, self.version or self.tag, self.timestamp)
        self._version = table.version
        with lance_errors(self.path, InputError):
            of_table = plain_blobs(table.schema)
            for field in of_table:
                if "lance." in str(field.type) and field.name in (self.columns or of_table.names):
                    raise InputError(
                        f"{self.path}: column {field.name} is {field.type}, which is not supported. Choose other `columns`."
                    )
            names = [name for name in of_table.names if name in (self.columns or of_table.names)]
            blobs = blob_columns(self.path, table.lance_schema.fields(), names) if self.blobs == "reference" else {}
            self._schema = plain_schema(with_media(of_table, blobs))
            return input_files(self.path, table, columns_id(str(self._schema), str(table.lance_schema)))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns of the table, so that no file is opened."""
        import pyarrow as pa

        schema = self._schema
        if self.include_path:
            if self.include_path in schema.names:
                raise InputError(f"includePath: the table already has a column {self.include_path}; choose another name.")
            schema = schema.append(pa.field(self.include_path, pa.string()))
        return project(schema, self.known_columns(), self.name())

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of rows of about `target` bytes. A fragment of the table that is not much larger is not split."""
        if file.size <= target * 3 // 2:
            return [Fragment(file, 0, -1, file.size)]
        _, fragment = fragment_of(self.path, self._version, file)
        return row_ranges(file, count_rows(file.path, fragment), target)

    def count(self, fragment: Fragment) -> int:
        """The rows that are not deleted."""
        return len(self._rows(fragment))

    def _rows(self, fragment: Fragment) -> range:
        if fragment.end >= 0:
            return range(fragment.start, fragment.end)
        _, found = fragment_of(self.path, self._version, fragment.file)
        return range(count_rows(fragment.file.path, found))

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Rows that are not deleted, in order. A row with an invalid value goes to `on_bad`."""
        path, rows = fragment.file.path, self._rows(fragment)
        table, found = fragment_of(self.path, self._version, fragment.file)
        of_table = table.schema.names
        names = [name for name in of_table if name in schema.names] or of_table[:1]
        blobs = blob_columns(self.path, table.lance_schema.fields(), names) if self.blobs == "reference" else {}
        position = rows.start
        for batch in read_batches(path, found, names, rows, batch_bytes, as_bytes=not blobs):
            for name, column in blobs.items():
                file = next(file for file in found.metadata.files if column.field_id in file.fields)
                media = as_media(batch.column(name), column, data_file(self.path, table, file))
                batch = batch.set_column(batch.schema.get_field_index(name), name, media)
            good = good_rows(batch, path, range(position, position + batch.num_rows), on_bad)
            position += batch.num_rows
            yield conform(good.select([name for name in names if name in schema.names]), schema, fragment, self)


class LanceWriter(TableWriter):
    """A Lance table. The rows of a run become visible in one version.

    A table that does not exist is created. `schemaMode: merge` adds columns in a separate version. If other writers commit at
    the same time, no rows are lost: those that another writer adds while the result is committed remain in the table.
    """

    extension = ".lance"
    file_bytes: int = Field(
        default=1 << 30,
        ge=1 << 16,
        le=1 << 40,
        description="Size of the rows in memory, in bytes, at which a shard starts a new file, which becomes a fragment.",
    )
    media: Literal["embed", "blob", "reference"] = Field(
        default="embed",
        description="`embed` stores the bytes of media in the rows, `blob` stores them as blobs, outside of the rows, and "
        "`reference` leaves references to the original files. Media are columns of structs with `bytes` and `path`.",
    )
    _format: str = PrivateAttr(default="")
    """Version of the file format of the table before the run, such as `2.1`."""
    _since: int = PrivateAttr(default=0)
    """Version of the table before the attempt."""

    def for_run(self, run_id: str) -> TableWriter:
        """The writer of a run. Raises SinkError or InvalidJob if the table cannot be written."""
        if self.partition_by:
            raise InvalidJob("sink.lance: Lance tables have no partitions; remove `partitionBy`.")
        writer = super().for_run(run_id)
        assert isinstance(writer, LanceWriter)
        writer._run = run_id
        if table_exists(self.path):
            table = open_table(self.path)
            writer._format, writer._since = str(table.data_storage_version), table.version
        return writer

    @staticmethod
    def prefix_of(run_id: str) -> str:
        """Lance reads files in the folder `data` only, without folders below it."""
        return f"data/{hash_of(run_id)}-"

    def discard(self, sink: Folder, run_id: str) -> None:
        """Delete the files of a run that did not become part of the table."""
        prefix = self.prefix_of(run_id)
        sink.delete(name for name in sink.list("data") if name.startswith(prefix))

    def existing_schema(self) -> pa.Schema | None:
        """The columns of the table, or None if it does not exist."""
        import pyarrow as pa

        if not table_exists(self.path):
            return None
        table = open_table(self.path)
        check_writable(self.path, table)
        return pa.schema(existing_columns(table))

    def existing_partitions(self) -> tuple[str, ...] | None:
        """Lance tables have no partitions."""
        return None

    def table_types(self, schema: pa.Schema) -> pa.Schema:
        """Types of Lance, with blobs if the job requests them."""
        return stored_types(schema, blobs=self.media == "blob")

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media."""
        return () if self.media == "reference" else media_columns(schema, {}, "sink.lance")

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `data/<hash of the run>-<prefix>-<n>.lance`. Raises InvalidJob for a type that cannot be stored."""
        stored = self.written_schema(schema)
        check_columns(stored)
        version = self._format or format_version(stored)
        files = LanceFiles(root, f"{self.prefix_of(self._run)}{prefix}", stored, version, self.file_bytes)
        return CastingWriter(files, stored, self.key, self._rules)

    def published(self, run_id: str) -> bool:
        """Whether the table contains the transaction of the run."""
        return table_exists(self.path) and is_published(self.path, open_table(self.path), run_id, 0)

    def publish(self, files: Sequence[OutputFile], schema: pa.Schema | None) -> str:
        """Commit the files in one version."""
        return Publication(
            self.path, self._run, self.mode, self.schema_mode == "merge", files, schema, self._format, self._since
        ).commit()
