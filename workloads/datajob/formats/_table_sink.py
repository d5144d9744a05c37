"""The sinks of tables: finished files become part of a table in one commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, model_validator

from datajob.errors import InvalidJob, private
from datajob.formats._columns import HIVE_NULL, did_you_mean, plain_schema, plain_type
from datajob.formats._exact import exact_cast
from datajob.formats._features import media_columns
from datajob.formats._parquet_types import check_storable
from datajob.formats._parquet_write import ParquetEncoder
from datajob.formats._shards import FilesWriter
from datajob.formats._table_rules import forbidden_null, has_rules, lost_member
from datajob.formats.base import OutputFile, ShardWriter, Writer
from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class TableWriter(Writer):
    """Base class of sinks of tables.

    Workers write files that no reader of the table sees. At the end, `publish` adds them to the table in one commit that
    contains the ID of the run, so that the next attempt finds out whether the run is published.
    """

    abstract: ClassVar[bool] = True

    schema_mode: Literal["strict", "merge"] = Field(
        default="strict",
        description="`strict` refuses columns that an existing table does not have, `merge` adds them to the table.",
    )
    _run: str = PrivateAttr(default="")
    _existing: Any = PrivateAttr(default=None)
    """The columns of the table before the run as files contain them, or None."""
    _rules: Any = PrivateAttr(default=None)
    """The columns of the table with the members and items that are not null, or None."""

    def for_run(self, run_id: str) -> TableWriter:
        """The writer of a run. Raises SinkError or InvalidJob if the table cannot be written."""
        existing, keys = self.existing_schema(), self.existing_partitions()
        if keys is not None and self.partition_by is not None and keys != self.partition_by:
            raise InvalidJob(
                f"sink.{self.key}: {self.path} is partitioned by {', '.join(keys) or 'no column'}, but `partitionBy` is "
                f"{', '.join(self.partition_by)}. Remove `partitionBy`, or write a new table."
            )
        writer = self.model_copy(update={"partition_by": keys or self.partition_by})
        writer._run, writer._rules = run_id, existing
        writer._existing = None if existing is None else self.as_written(existing)
        return writer

    def as_written(self, existing: pa.Schema) -> pa.Schema:
        """The types in which files contain the columns of an existing table."""
        return existing

    @staticmethod
    def prefix_of(run_id: str) -> str:
        """How the names of the files of a run begin, relative to `path`: with a folder of their own."""
        return f"data-{hash_of(run_id)}/"

    def written_files(self, sink: Folder) -> dict[str, int]:
        """The files of the run with their sizes, those of earlier attempts included."""
        prefix = self.prefix_of(self._run)
        found = sink.list(prefix.rpartition("/")[0], recursive=True)
        return {name: size for name, size in found.items() if name.startswith(prefix)}

    def discard(self, sink: Folder, run_id: str) -> None:
        """Delete the files of a run that did not become part of the table."""
        sink.delete_tree(self.prefix_of(run_id))

    def existing_schema(self) -> pa.Schema | None:
        """The columns of the table, or None if it does not exist. Raises SinkError or InvalidJob if it cannot be written."""
        raise NotImplementedError

    def existing_partitions(self) -> tuple[str, ...] | None:
        """The partition columns of the table, or None if it does not exist."""
        raise NotImplementedError

    def published(self, run_id: str) -> bool:
        """Whether the table contains the result of a run."""
        raise NotImplementedError

    def publish(self, files: Sequence[OutputFile], schema: pa.Schema | None) -> str:
        """Add the files to the table in one commit, unless it contains them. Returns a sentence about what was done.

        `schema` contains the columns of the result; None if they are unknown because it has no rows.
        """
        raise NotImplementedError

    def table_types(self, schema: pa.Schema) -> pa.Schema:
        """The types in which the table stores columns. Raises InvalidJob for a type that it cannot store."""
        raise NotImplementedError

    def written_schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns as the table stores them: with its types where it has the column."""
        import pyarrow as pa

        existing: pa.Schema | None = self._existing
        plain = plain_schema(schema)
        if existing is None:
            return self.table_types(plain)
        unknown = [name for name in plain.names if name not in existing.names]
        if unknown and self.schema_mode == "strict":
            raise InvalidJob(
                f"sink.{self.key}: the table has no column {unknown[0]}{did_you_mean(unknown[0], existing.names)}. Leave the "
                "column out with a `drop` step, or set `schemaMode: merge` to add it to the table."
            )
        for field in plain:
            if field.name in existing.names and (lost := lost_member(field.type, existing.field(field.name).type, field.name)):
                raise InvalidJob(
                    f"sink.{self.key}: the table has no member {lost}, so its values would be lost. Leave it out with a "
                    "`compute` step, or add it to the table with the engine that maintains it."
                )
        required = [field.name for field in existing if not field.nullable and field.name not in plain.names]
        if required:
            raise InvalidJob(
                f"sink.{self.key}: the result has no column {required[0]}, which the table requires in all rows. Add it with a "
                "`compute` step."
            )
        added = self.table_types(pa.schema([field for field in plain if field.name in unknown]))
        return pa.schema([added.field(f.name) if f.name in unknown else existing.field(f.name) for f in plain])


class ParquetTableWriter(TableWriter):
    """Base class of sinks of tables that consist of Parquet files."""

    abstract: ClassVar[bool] = True
    extension = ".parquet"
    partition_in_files: ClassVar[bool] = False
    """Whether files contain the partition columns."""

    def as_written(self, existing: pa.Schema) -> pa.Schema:
        """Plain types."""
        import pyarrow as pa

        return pa.schema([pa.field(field.name, plain_type(field.type), field.nullable) for field in existing])

    overwrite: Literal["table", "partitions"] = Field(
        default="table",
        description="What `mode: overwrite` replaces: all rows of the table, or the partitions of which the result has rows.",
    )
    compression: Literal["zstd", "snappy", "lz4", "none"] = Field(default="zstd", description="Compression of the pages.")
    compression_level: int | None = Field(
        default=None, ge=1, le=22, description="Level of zstd, from 1 (fastest) to 22 (smallest)."
    )
    row_group_bytes: int = Field(
        default=64 << 20, ge=1 << 16, le=1 << 30, description="Size of a row group before compression, in bytes."
    )
    file_bytes: int = Field(
        default=512 << 20, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )
    media: Literal["embed", "reference"] = Field(
        default="embed",
        description="`embed` stores the bytes of media in the rows, `reference` leaves references to the original files. Media "
        "are columns of structs with `bytes` and `path`.",
    )

    @model_validator(mode="after")
    def _partitions_of_overwrite(self) -> ParquetTableWriter:
        if self.overwrite == "partitions" and self.mode != "overwrite":
            raise ValueError("`overwrite: partitions` requires `mode: overwrite`")
        return self

    def file_stats(self, footer: pq.FileMetaData) -> dict[str, Any]:
        """What `publish` needs to know about the columns of a file."""
        raise NotImplementedError

    def check_partition(self, name: str, kind: pa.DataType) -> None:
        """Raise InvalidJob for a column that the table cannot be partitioned by."""
        import pyarrow as pa

        if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
            raise InvalidJob(
                f"sink.{self.key}: column {name} in `partitionBy` contains bytes. Convert it, as in `hex({name})`."
            )

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media."""
        return media_columns(schema, {}, f"sink.{self.key}") if self.media == "embed" else ()

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<folder of the run>/<prefix>-<n>.parquet`. Raises InvalidJob for a type that cannot be stored."""
        check_storable(schema)
        stored = self.written_schema(schema)
        for field in stored:
            if field.name in (self.partition_by or ()):
                self.check_partition(field.name, field.type)
        writer = FilesWriter(
            root,
            prefix,
            ".parquet",
            stored,
            self._encoder,
            self.file_bytes,
            self.partition_by,
            subfolder=self.prefix_of(self._run),
            keeps_keys=self.partition_in_files,
        )
        return CastingWriter(writer, stored, self.key, self._rules, self.partition_by or ())

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> ParquetEncoder:
        level = self.compression_level or 1 if self.compression == "zstd" else None
        return TableEncoder(stream, schema, self.compression, level, self.row_group_bytes, self.file_stats)


class TableEncoder(ParquetEncoder):
    """An encoder that provides the statistics of its file."""

    def __init__(
        self,
        stream: pa.NativeFile,
        schema: pa.Schema,
        compression: str,
        level: int | None,
        row_group_bytes: int,
        of_footer: Callable[[pq.FileMetaData], dict[str, Any]],
    ) -> None:
        super().__init__(stream, schema, compression, level, row_group_bytes)
        self._of_footer = of_footer

    def stats(self) -> dict[str, Any]:
        """Those that the table needs."""
        return self._of_footer(self.footer)


class CastingWriter:
    """A shard writer that converts rows to the types of the table. Each conversion is exact or an error."""

    def __init__(
        self, writer: ShardWriter, schema: pa.Schema, key: str, rules: pa.Schema | None, keys: tuple[str, ...] = ()
    ) -> None:
        """`rules` are the columns of the table if it exists, with what is not null inside of them."""
        self._writer, self._schema, self._key, self._keys = writer, schema, key, keys
        fields = [field for field in rules or () if has_rules(field.type) and field.name in schema.names]
        self._rules = {field.name: field.type for field in fields}
        self.close: Callable[[], list[OutputFile]] = writer.close
        self.abort: Callable[[], None] = writer.abort

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        import pyarrow as pa

        columns = []
        for field, column in zip(self._schema, table.columns, strict=True):
            try:
                columns.append(column if column.type.equals(field.type) else exact_cast(column, field.type))
            except pa.ArrowException as error:
                raise InvalidJob(
                    f"sink.{self._key}: a value of column {field.name} ({column.type}) cannot be stored as {field.type}, its "
                    f"type in the table{private(f' ({error})')}. Convert the column with a `cast` or `compute` step."
                ) from error
            if not field.nullable and column.null_count:
                raise InvalidJob(
                    f"sink.{self._key}: column {field.name} contains a null, but the table does not allow it. Remove these "
                    "rows with a `filter` step."
                )
            for chunk in columns[-1].chunks if field.name in self._rules else ():
                if inner := forbidden_null(chunk, self._rules[field.name], field.name):
                    raise InvalidJob(
                        f"sink.{self._key}: {inner} contains a null, but the table does not allow it. Replace it with a "
                        "`compute` step."
                    )
        stored = pa.Table.from_arrays(columns, schema=self._schema)
        for key in self._keys:
            _check_partition(stored.column(key), key, self._key)
        self._writer.write(stored)


def _check_partition(column: pa.ChunkedArray[Any], name: str, key: str) -> None:
    """Raise InvalidJob for a text that would become null as the name of a partition."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) and pc.any(pc.is_in(column, pa.array(["", HIVE_NULL]))).as_py():
        raise InvalidJob(
            f"sink.{key}: column {name} in `partitionBy` contains an empty text or `{HIVE_NULL}`, which are nulls in names of "
            "partitions. Replace it with a `compute` step."
        )


def hash_of(run_id: str) -> str:
    """A part of the names of the files of a run."""
    return hashlib.blake2b(run_id.encode(), digest_size=6).hexdigest()
