"""Parquet: files of row groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr

from datajob.errors import InputError
from datajob.formats._columns import ColumnsReader, conform, plain_schema, unite
from datajob.formats._features import media_columns, read_features, with_features
from datajob.formats._parquet_check import check_schema
from datajob.formats._parquet_foreign import check_variants, schema_of
from datajob.formats._parquet_open import open_parquet, open_small
from datajob.formats._parquet_portable import check_portable, portable_schema, readable_schema
from datajob.formats._parquet_read import Chosen, count_rows, read_rows, row_group_ranges
from datajob.formats._parquet_types import check_storable
from datajob.formats._parquet_write import ParquetEncoder
from datajob.formats._shards import FilesWriter
from datajob.formats.base import Fragment, InputFile, OnBadRecord, ShardWriter, Writer
from datajob.formats.storage import readable
from datajob.media.signatures import Kind

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_FOOTERS = 1000
"""Maximum number of files whose footer is read for the schema, evenly spread."""
FOOTER_THREADS = 32
FOOTER_READ = 64 << 10
"""Bytes that Arrow reads at the end of a file to find the footer. A smaller file is read as a whole."""


class ParquetReader(ColumnsReader):
    """Parquet files."""

    suffixes = (".parquet", ".pq")

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of row groups of about `target` compressed bytes. A file that is not much larger is not split."""
        return row_group_ranges(file, target)

    def count(self, fragment: Fragment) -> int:
        """The rows of its row groups, from the footer."""
        return count_rows(fragment)

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The union of the files' schemas, from their footers.

        For more than MAX_FOOTERS files, an even sample is read. A file outside the sample with another column fails when it
        is read, so no data is lost silently. If the column is in `columns`, all footers are read.
        """
        found = _footers(_sample(files), self.columns)
        schema = _united(found)
        if self.columns and len(files) > len(found):
            partitions = {key for file in files for key, _ in file.partition}
            if not set(self.columns) <= {*schema.names, *partitions}:
                schema = _united(_footers(files, self.columns))
        return self._all_columns(schema, files)

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """Those in the metadata of the first file."""
        if not files:
            return {}
        with readable(files[0].path, "as Parquet"):
            return read_features(open_parquet(files[0].path).schema_arrow.metadata)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Row group by row group: small ones together, large ones in slices. A row with an invalid value goes to `on_bad`."""
        path = fragment.file.path

        def choose(file: pq.ParquetFile) -> Chosen:
            of_file = schema_of(file, self.columns)
            if not of_file.equals(schema):  # the one that `schema` has checked, as in most of many files
                check_schema(path, of_file, self.columns)
                check_variants(path, file, of_file, self.columns)
            here, known = of_file.names, schema.names
            if self.columns is None and (extra := [name for name in here if name not in known]):
                raise InputError(
                    f"{path}: has a column {extra[0]} that none of the sampled files has; "
                    "list the columns to read in `columns`."
                )
            return Chosen(of_file, tuple(name for name in here if name in known))

        with readable(path, "as Parquet"):
            for table in read_rows(fragment, choose, batch_bytes, on_bad):
                yield conform(table, schema, fragment, self)


def _sample(files: Sequence[InputFile]) -> list[InputFile]:
    step = max(1.0, len(files) / MAX_FOOTERS)
    return [files[int(i * step)] for i in range(min(len(files), MAX_FOOTERS))]


def _footers(files: Sequence[InputFile], columns: Sequence[str] | None) -> dict[str, pa.Schema]:
    checked: list[pa.Schema] = []
    """The schema that was checked last: usually, all are equal."""

    def one(file: InputFile) -> pa.Schema:
        with readable(file.path, "as Parquet"):
            opened = open_small(file.path) if file.size <= FOOTER_READ else open_parquet(file.path)
            schema = schema_of(opened, columns)
        if not any(schema.equals(known) for known in checked):
            check_schema(file.path, schema, columns)
            check_variants(file.path, opened, schema, columns)
            checked[:] = [schema]
        return schema

    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        return dict(zip((file.path for file in files), pool.map(one, files), strict=True))


def _united(schemas: dict[str, pa.Schema]) -> pa.Schema:
    """Usually the schemas are equal. Only the first of each kind is used.

    A column of text without any value, which is also how the writer stores columns of type null, fits every other type.
    """
    distinct: dict[bytes, tuple[str, pa.Schema]] = {}
    for path, schema in schemas.items():
        bare = schema.remove_metadata()
        distinct.setdefault(bare.serialize().to_pybytes(), (path, bare))
    plain = {path: plain_schema(schema) for path, schema in distinct.values()}
    try:
        return unite(plain)
    except InputError:
        with ThreadPoolExecutor(FOOTER_THREADS) as pool:
            kept = pool.map(_with_nulls, schemas, map(plain_schema, schemas.values()))
            return unite(dict(zip(schemas, kept, strict=True)))


def _with_nulls(path: str, schema: pa.Schema) -> pa.Schema:
    """A schema with the type null for the columns of text that contain only nulls, according to the footer."""
    import pyarrow as pa

    if not any(pa.types.is_string(kind) for kind in schema.types):
        return schema
    empty = columns_of_nulls(path)
    return pa.schema([f.with_type(pa.null()) if pa.types.is_string(f.type) and f.name in empty else f for f in schema])


def columns_of_nulls(path: str) -> set[str]:
    """The columns of a file that contain only nulls, according to its footer. Raises InputError."""
    with readable(path, "as Parquet"):
        footer = open_parquet(path).metadata
        empty = set(footer.schema.to_arrow_schema().names)
        for group in (footer.row_group(i) for i in range(footer.num_row_groups)):
            for column in (group.column(i) for i in range(group.num_columns)):
                statistics = column.statistics
                if not (statistics and statistics.has_null_count and statistics.null_count == group.num_rows):
                    empty.discard(column.path_in_schema)
    return empty


class ParquetWriter(Writer):
    """Parquet files."""

    extension = ".parquet"
    compression: Literal["zstd", "snappy", "lz4", "none"] = Field(default="zstd", description="Compression of the pages.")
    compression_level: int | None = Field(
        default=None, ge=1, le=22, description="Level of zstd, from 1 (fastest) to 22 (smallest)."
    )
    row_group_bytes: int = Field(
        default=64 << 20, ge=1 << 16, le=1 << 30, description="Size of a row group before compression, in bytes."
    )
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )

    types: Literal["portable", "exact"] = Field(
        default="portable",
        description="`portable` stores what Spark, polars and DuckDB read with the same values, `exact` keeps all types. "
        "`portable` stores timestamps, times and durations in microseconds, float16 as float32, and UUIDs as text. A value "
        "with nanoseconds ends the job, and so does a decimal of more than 38 digits.",
    )

    media: Literal["embed", "reference"] = Field(
        default="embed",
        description="`embed` stores the bytes of media in the rows, `reference` leaves references to the original files. Media "
        "are columns of structs with `bytes` and `path`, and those in `features`.",
    )
    features: dict[str, Kind] = Field(
        default={},
        description="Columns of media by their kind (`image`, `audio` or `video`), such as `jpg: image`. They can contain "
        "bytes, paths, structs of both, or lists of these, and are stored as features of Hugging Face. By default, columns of "
        "structs with `bytes` and `path`.",
    )
    _known: Mapping[str, Any] = PrivateAttr(default={})
    """Features of columns of the sources."""

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media."""
        return media_columns(schema, self.features, "sink.parquet") if self.media == "embed" else ()

    def written_schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns with the types in which they are stored."""
        return portable_schema(schema) if self.types == "portable" else readable_schema(schema)

    def with_features(self, features: Mapping[str, Any]) -> ParquetWriter:
        """Stores the features with the columns that have them."""
        writer = self.model_copy()
        writer._known = features
        return writer

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.parquet`. Raises InvalidJob for a type that Parquet does not support."""
        check_storable(schema)
        if self.types == "portable":
            check_portable(schema)
        return FilesWriter(root, prefix, ".parquet", schema, self._encoder, self.file_bytes, self.partition_by)

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> ParquetEncoder:
        level = self.compression_level or 1 if self.compression == "zstd" else None

        def described(schema: pa.Schema, first: pa.Table) -> pa.Schema:
            return with_features(schema, self._known, self.features, first)

        stored = self.written_schema(schema)
        return ParquetEncoder(stream, stored, self.compression, level, self.row_group_bytes, described)
