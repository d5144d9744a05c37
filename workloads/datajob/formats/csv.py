"""CSV and its relatives (tab-separated and so on)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.formats._columns import ColumnsReader, conform, unite
from datajob.formats._csv_parse import BLOCK_BYTES, CsvParser, Dialect, header, learnt_types
from datajob.formats._json_write import ENDINGS, compressed, json_column
from datajob.formats._lines import BAD_TEXT, line_bytes, line_fragments
from datajob.formats._shards import FilesWriter
from datajob.formats.base import Fragment, InputFile, OnBadRecord, ShardWriter, Writer
from datajob.formats.types import TypeName, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_FILES = 1000
THREADS = 16


class CsvReader(ColumnsReader):
    """Files of delimited values (`.csv`, `.tsv`), plain or compressed by gzip or zstd."""

    suffixes = tuple(f"{name}{ending}" for name in (".csv", ".tsv") for ending in ENDINGS.values())
    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="Between values; by default a tab for `.tsv`, else a comma."
    )
    quote: str = Field(
        default='"', min_length=1, max_length=1, description="Around values that hold a delimiter or a line break."
    )
    escape: str | None = Field(
        default=None, min_length=1, max_length=1, description="Before a quote inside of quotes; by default quotes are doubled."
    )
    header: bool = Field(default=True, description="Whether the first row of each file names the columns.")
    names: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the columns, instead of the header's; without either f0, f1, ..."
    )
    types: dict[str, TypeName] = Field(
        default={},
        alias="schema",
        description="Types of columns that are not to be learnt from a sample, such as `zip: string`.",
    )
    nulls: tuple[str, ...] = Field(default=("",), description="What stands for null where it is not quoted.")
    encoding: str = Field(default="utf-8", min_length=1, description="Encoding of the text, such as `gb18030`.")
    multiline: bool = Field(
        default=True, description="Whether quoted values may hold line breaks; false lets large files be cut in pieces."
    )

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """The whole file; byte ranges of about `target` when no value holds a line break."""
        return [Fragment(file, 0, -1, file.size)] if self.multiline or self._recoded() else line_fragments(file, target)

    def row_bytes(self, files: Sequence[InputFile]) -> int:
        """From the head of the first file."""
        return line_bytes(files[0])

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The headers' union; types from a sample of each file's head: int64, double, bool, else string.

        Numbers with leading zeros and dates stay strings. A value that does not fit later is a bad record.
        """
        import pyarrow as pa

        step = max(1.0, len(files) / SAMPLE_FILES)
        chosen = [files[int(i * step)] for i in range(min(len(files), SAMPLE_FILES))]
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda file: learnt_types(file.path, self._dialect(file), len(chosen)), chosen))
        mixed = _names_of_several_types(found)
        schemas = {
            file.path: pa.schema([(f.name, self._type(f, mixed)) for f in schema])
            for file, schema in zip(chosen, found, strict=True)
        }
        return self._all_columns(unite(schemas), files)

    def _type(self, field: Any, mixed: set[str]) -> pa.DataType:
        import pyarrow as pa

        if field.name in self.types:
            return arrow_type(self.types[field.name])
        kind: pa.DataType = pa.string() if field.name in mixed else field.type
        return kind

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Block by block; a row with too many or too few values, or one that does not fit its column, goes to `on_bad`."""
        path = fragment.file.path

        def bad(text: str, row: int, reason: str) -> None:
            start = f"row {row}" if fragment.start == 0 else f"row {row} after byte {fragment.start}"
            on_bad(text[:BAD_TEXT], f"{path}:{start}: {reason}")

        dialect = self._dialect(fragment.file)
        parser = CsvParser(path, dialect, header(path, dialect), schema, bad)
        for table in parser.tables(fragment.start, fragment.end, max(batch_bytes, BLOCK_BYTES)):
            yield conform(table, schema, fragment, self)

    def _recoded(self) -> bool:
        return self.encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig", "ascii")

    def _dialect(self, file: InputFile) -> Dialect:
        tabs = ".tsv" in file.path.rsplit("/", 1)[-1].lower()
        return Dialect(
            delimiter=self.delimiter or ("\t" if tabs else ","),
            quote=self.quote,
            escape=self.escape,
            header=self.header,
            names=self.names,
            nulls=self.nulls,
            encoding=self.encoding if self._recoded() else "utf-8",
            multiline=self.multiline,
        )


def _names_of_several_types(schemas: Sequence[pa.Schema]) -> set[str]:
    """Columns that are numbers in one file and something else in another: as text they are all the same."""
    import pyarrow as pa

    seen: dict[str, Any] = {}
    mixed: set[str] = set()
    for field in (field for schema in schemas for field in schema if not pa.types.is_null(field.type)):
        known = seen.setdefault(field.name, field.type)
        if known != field.type and {known, field.type} != {pa.int64(), pa.float64()}:
            mixed.add(field.name)
    return mixed


class CsvWriter(Writer):
    """Comma-separated values with a header: times as ISO 8601, bytes as base64, null as nothing, texts in quotes."""

    extension = tuple(f".csv{ending}" for ending in ENDINGS.values())
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="Between values.")
    compression: Literal["none", "gzip", "zstd"] = Field(default="none", description="Compression of the files.")
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes from which a shard goes on in a next file."
    )

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.csv`. Raises InvalidJob for a column of lists, structs or maps."""
        import pyarrow as pa

        for field in schema:
            if pa.types.is_nested(field.type):
                raise InvalidJob(
                    f"sink.csv: column {field.name} is {field.type}, which CSV cannot hold: write json or parquet, make it "
                    "text by `compute` (to_json), or drop it."
                )
        extension = ".csv" + ENDINGS[self.compression]
        return FilesWriter(root, prefix, extension, schema, self._encoder, self.file_bytes, self.partition_by)

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> _CsvEncoder:
        return _CsvEncoder(stream, schema, self)


class _CsvEncoder:
    """Writes rows as they come, below a header."""

    held = 0

    def __init__(self, stream: pa.NativeFile, schema: pa.Schema, parameters: CsvWriter) -> None:
        self._delimiter = parameters.delimiter
        self._sink = compressed(stream, parameters.compression)
        self._append(schema.empty_table(), True)

    def _append(self, table: pa.Table, header: bool) -> None:
        import pyarrow as pa
        import pyarrow.csv

        text = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(include_header=header, delimiter=self._delimiter)
        columns = [_text_of_times_and_bytes(column) for column in table.columns]
        pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), text, options)
        self._sink.write(text.getvalue())

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._append(table, False)

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self) -> None:
        """End the compression."""
        self._sink.close()


def _text_of_times_and_bytes(column: Any) -> Any:
    import pyarrow as pa

    return column if pa.types.is_floating(column.type) else json_column(column)
