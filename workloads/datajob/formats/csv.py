"""CSV and other delimited text, such as tab-separated values."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import ColumnsReader, conform, did_you_mean, empty_table, unite
from datajob.formats._compression import READ_ENDINGS
from datajob.formats._csv_parse import BLOCK_BYTES, CsvParser, inferred_types
from datajob.formats._csv_records import Dialect
from datajob.formats._csv_types import LARGE
from datajob.formats._json_write import ENDINGS, compressed
from datajob.formats._lines import BAD_TEXT, line_bytes, line_fragments
from datajob.formats._plain_values import json_column
from datajob.formats._shards import FilesWriter
from datajob.formats.base import Fragment, InputFile, OnBadRecord, ShardWriter, Writer
from datajob.formats.types import TypeName, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_FILES = 1000
THREADS = 16


class CsvReader(ColumnsReader):
    """Files of delimited values (`.csv`, `.tsv`), plain or compressed.

    Types are inferred from the beginning of each file. A column becomes int64, double or bool only if this type represents
    every value exactly. Leading zeros, plus signs, `nan`, `1e400`, numbers with too many digits, and `True` are text. A row
    that does not fit is a failed row, reported with its number and the reason.
    """

    suffixes = tuple(f"{name}{ending}" for name in (".csv", ".tsv") for ending in READ_ENDINGS)
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="Separator of values, such as `;` or `||`. The default is a tab for `.tsv` files, otherwise a comma.",
    )
    quote: str = Field(
        default='"',
        max_length=1,
        description="Character around values that contain a delimiter or a line break. An empty string disables quoting.",
    )
    escape: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Character before quotes and before itself within quoted values; everywhere if `quote` is empty. By "
        'default, quotes are doubled. For files of Spark, set a backslash (`"\\\\"`), or `\'"\'` if they double quotes.',
    )
    header: bool = Field(default=True, description="Whether the first row of each file contains the column names.")
    names: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Column names that replace the header. Without a header, the default is f0, f1, and so on.",
    )
    types: dict[str, TypeName] = Field(
        default={},
        alias="schema",
        description="Types of columns, such as `zip: string`, instead of inferred ones. Dates "
        "and times are ISO 8601, durations are seconds, and `binary` keeps the bytes of the file, of any encoding.",
    )
    infer_types: bool = Field(
        default=True, description="Whether to infer types. If false, every column that `schema` does not name is text."
    )
    nulls: tuple[str, ...] = Field(default=("",), description="Values that stand for null unless they are quoted.")
    ragged: Literal["fail", "fill", "cut", "fit"] = Field(
        default="fail",
        description="What to do with rows that have too few or too many values: `fail` them, `fill` short rows with nulls, "
        "`cut` surplus values, or `fit` (both).",
    )
    comment: str | None = Field(default=None, min_length=1, max_length=16, description="Prefix of lines to skip, such as `#`.")
    skip_lines: int = Field(default=0, ge=0, description="Number of lines to skip at the start of each file.")
    skip_blanks: bool = Field(default=False, description="Whether to skip spaces and tabs after each delimiter.")
    encoding: str = Field(default="utf-8", min_length=1, description="Encoding of the text, such as `gb18030`.")
    multiline: bool = Field(
        default=True,
        description="Whether quoted values may contain line breaks. If false, large files are read in parallel.",
    )

    @model_validator(mode="after")
    def _usable_characters(self) -> CsvReader:
        for name in ("quote", "escape"):
            if (value := getattr(self, name)) and (not value.isascii() or value in "\r\n"):
                raise ValueError(f"{name} must be one ASCII character, not {value!r}")
        if self.delimiter is not None and ("\n" in self.delimiter or self.delimiter == self.quote):
            raise ValueError("delimiter must differ from the quote and must not contain a line break")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"unknown encoding {self.encoding!r}; try utf-8, gb18030, big5, shift_jis or latin-1") from None
        return self

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """The whole file; byte ranges of about `target` when no value contains a line break."""
        whole = (self.multiline and self.quote) or self._recoded() or self.skip_lines
        return [Fragment(file, 0, -1, file.size)] if whole else line_fragments(file, target)

    def row_bytes(self, files: Sequence[InputFile]) -> int:
        """From the start of the first file."""
        return line_bytes(files[0])

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The union of the headers and of `schema`, with types from a sample of each file's head."""
        import pyarrow as pa

        step = max(1.0, len(files) / SAMPLE_FILES)
        chosen = [files[int(i * step)] for i in range(min(len(files), SAMPLE_FILES))]
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda file: inferred_types(file.path, self._dialect(file), len(chosen)), chosen))
        mixed = _names_of_several_types(found)
        schemas = {
            file.path: pa.schema([(f.name, self._type(f, mixed)) for f in schema])
            for file, schema in zip(chosen, found, strict=True)
        }
        united = unite(schemas)
        if not united.names:  # no file has a row: only the columns of the job are known
            known = dict.fromkeys([*self.types, *(self.names or ()), *(self.columns or ())])
            united = pa.schema([(name, self._type(pa.field(name, pa.string()), set())) for name in known])
        return self._all_columns(united, files)

    def check_names(self, schema: pa.Schema, files: Sequence[InputFile]) -> None:
        """As for all readers, and for the columns of `schema`."""
        super().check_names(schema, files)
        for name in self.types:
            if self.columns is None and name not in schema.names:
                raise InputError(f"schema: {self.name()} has no column {name}{did_you_mean(name, schema.names)}")

    def _type(self, field: Any, mixed: set[str]) -> pa.DataType:
        import pyarrow as pa

        if field.name in self.types:
            return arrow_type(self.types[field.name])
        kind: pa.DataType = field.type if self.infer_types and field.name not in mixed else pa.string()
        return kind

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Block by block; a row with too many or too few values, or one that does not fit its column, goes to `on_bad`."""
        path = fragment.file.path

        def bad(text: str, row: int, reason: str) -> None:
            start = f"row {row}" if fragment.start == 0 else f"row {row} after byte {fragment.start}"
            on_bad(text[:BAD_TEXT], f"{path}:{start}: {reason}")

        exact = frozenset(schema.names) - set(self.types)
        parser = CsvParser(path, self._dialect(fragment.file), schema, exact, bad)
        for table in parser.tables(fragment.start, fragment.end, max(batch_bytes, BLOCK_BYTES)):
            yield conform(table, schema, fragment, self)

    def _recoded(self) -> bool:
        return self.encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig", "ascii")

    def _dialect(self, file: InputFile) -> Dialect:
        tabs = ".tsv" in file.path.rsplit("/", 1)[-1].lower()
        return Dialect(
            delimiter=self.delimiter or ("\t" if tabs else ","),
            quote=self.quote,
            escape=self.escape if self.escape != self.quote else None,
            states_escape=self.escape is not None,
            header=self.header,
            names=self.names,
            nulls=self.nulls,
            encoding=self.encoding if self._recoded() else "utf-8",
            multiline=self.multiline,
            comment=self.comment,
            skip_lines=self.skip_lines,
            skip_blanks=self.skip_blanks,
            ragged=self.ragged,
        )


def _names_of_several_types(schemas: Sequence[pa.Schema]) -> set[str]:
    """Columns that are text unless one type represents the values of all files. Integers and decimals become double."""
    import pyarrow as pa

    seen: dict[str, set[Any]] = {}
    large: set[str] = set()
    for field in (field for schema in schemas for field in schema if not pa.types.is_null(field.type)):
        seen.setdefault(field.name, set()).add(field.type)
        if field.metadata == LARGE:
            large.add(field.name)
    return {name for name, kinds in seen.items() if len(kinds) > 1 and (kinds != {pa.int64(), pa.float64()} or name in large)}


class CsvWriter(Writer):
    """Write comma-separated values with a header.

    Times are written as ISO 8601, bytes as base64 and null as an empty value. Text is quoted. In a file with one column, null
    is written as an empty text in quotes, because most readers skip blank lines.
    """

    extension = tuple(f".csv{ending}" for ending in ENDINGS.values())
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="Character that separates values.")
    compression: Literal["none", "gzip", "zstd"] = Field(default="none", description="Compression of the files.")
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )

    @field_validator("delimiter")
    @classmethod
    def _differs_from_values(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter.isalnum() or delimiter in '"\r\n.+-':
            raise ValueError("delimiter must be an ASCII character that is not part of numbers, quotes or line breaks")
        return delimiter

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.csv`. Raises InvalidJob for a column of lists, structs or maps."""
        import pyarrow as pa

        for field in schema:
            if pa.types.is_nested(getattr(field.type, "storage_type", field.type)):
                raise InvalidJob(
                    f"sink.csv: column {field.name} is {field.type}, which CSV cannot represent. Write JSON or Parquet, "
                    "convert the column to text with `compute` (to_json), or drop it."
                )
        extension = ".csv" + ENDINGS[self.compression]
        return FilesWriter(root, prefix, extension, schema, self._encoder, self.file_bytes, self.partition_by)

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> _CsvEncoder:
        return _CsvEncoder(stream, schema, self)


class _CsvEncoder:
    """Writes rows below a header."""

    held = 0

    def __init__(self, stream: pa.NativeFile, schema: pa.Schema, parameters: CsvWriter) -> None:
        self._delimiter = parameters.delimiter
        self._sink = compressed(stream, parameters.compression)
        self._append(empty_table(schema), True)

    def _append(self, table: pa.Table, header: bool) -> None:
        import pyarrow as pa
        import pyarrow.csv

        text = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(include_header=header, delimiter=self._delimiter)
        columns = [_text_of_times_and_bytes(column) for column in table.columns]
        if len(columns) == 1 and columns[0].null_count:
            columns = [columns[0].cast(pa.string()).fill_null("")]
        pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), text, options)
        self._sink.write(text.getvalue())

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        self._append(table, False)

    def flush(self) -> None:
        """Nothing is buffered."""

    def finish(self) -> None:
        """End the compression."""
        self._sink.close()


def _text_of_times_and_bytes(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column if pa.types.is_floating(column.type) else json_column(column)
