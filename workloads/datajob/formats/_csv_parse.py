"""Delimited values to Arrow: everything is read as bytes first, so that a value that does not fit costs its row only."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._lines import line_blocks, opened
from datajob.formats.storage import readable

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 16 << 20
"""Bytes read to learn the types, over all files."""
LEAST_SAMPLE = 64 << 10
BLOCK_BYTES = 16 << 20
"""Least size of a block when rows are read: a row must fit in one."""
LARGEST_BLOCK = 1 << 30
_PATTERNS = (
    ("bool_", r"^(true|false|True|False|TRUE|FALSE)$"),
    ("int64", r"^-?(0|[1-9][0-9]{0,17})$"),
    ("float64", r"^[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$|^([-+]?(inf|Inf)|nan|NaN)$"),
)

OnBadRow = Callable[[str, int, str], None]
"""Called with the text of a bad row, its number (the header is row 1) and the reason."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written; see the parameters of the reader."""

    delimiter: str
    quote: str
    escape: str | None
    header: bool
    names: tuple[str, ...] | None
    nulls: tuple[str, ...]
    encoding: str
    multiline: bool


def header(path: str, dialect: Dialect) -> tuple[str, ...]:
    """The names of the columns of a file; none when it is empty. Raises InputError when one comes twice."""
    with opened(path) as opened_stream:
        stream: Any = opened_stream
        text = io.TextIOWrapper(
            stream, encoding="utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding, errors="replace"
        )
        rows = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote, escapechar=dialect.escape)
        first = next((row for row in rows if row), [])
    names = dialect.names or (tuple(first) if dialect.header else tuple(f"f{i}" for i in range(len(first))))
    if first and len(first) != len(names):
        raise InputError(f"{path}: `names` has {len(names)} columns but the first row has {len(first)}.")
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise InputError(f"{path}: two columns are called {twice[0]!r}; give the columns names of their own in `names`.")
    return names if first else ()


def learnt_types(path: str, dialect: Dialect, files: int) -> pa.Schema:
    """The columns of a file with types as its head suggests; null where all is null."""
    import pyarrow as pa

    names = header(path, dialect)
    as_text = pa.schema([(name, pa.string()) for name in names])
    parser = CsvParser(path, dialect, names, as_text, lambda text, row, reason: None)
    for size in (max(LEAST_SAMPLE, SAMPLE_BYTES // files), BLOCK_BYTES, LARGEST_BLOCK):
        try:
            table = next(filter(len, parser.tables(0, -1, size)), as_text.empty_table())
            break
        except InputError:  # a row is larger than the block
            if size == LARGEST_BLOCK:
                raise
    return pa.schema([(name, _type_of(column)) for name, column in zip(names, table.columns, strict=True)])


def _type_of(column: Any) -> pa.DataType:
    import pyarrow as pa
    import pyarrow.compute as pc

    present = column.drop_null()
    if not len(present):
        return pa.null()
    for function, pattern in _PATTERNS:
        if pc.all(pc.match_substring_regex(present, pattern)).as_py():
            kind: pa.DataType = getattr(pa, function)()
            return kind
    return pa.string()


class CsvParser:
    """Reads one file, or a byte range of it, with the types of `schema`; columns outside of it are left out."""

    def __init__(self, path: str, dialect: Dialect, names: tuple[str, ...], schema: pa.Schema, on_bad: OnBadRow) -> None:
        self._path, self._dialect, self._names, self._schema = path, dialect, names, schema
        self._on_bad = on_bad

    def tables(self, start: int, end: int, block_bytes: int) -> Iterator[pa.Table]:
        """The good rows that begin in bytes [`start`, `end`) of the file (`end` < 0: all of it), in order."""
        import pyarrow as pa

        if not self._names:
            return
        row = 1
        if end < 0:
            with opened(self._path) as stream:
                yield from self._parsed(stream, row, self._dialect.header, block_bytes)
            return
        for block in line_blocks(self._path, start, end, block_bytes):
            skip = self._dialect.header and row == 1 and start == 0
            with readable(self._path, "as CSV"):
                yield from self._parsed(pa.BufferReader(block.data), row, skip, len(block.data) + 1)
            row += block.data.count(b"\n")

    def _parsed(self, source: Any, first_row: int, skip_header: bool, block_bytes: int) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.csv

        wrong: list[int] = []
        dialect = self._dialect

        def ragged(row: Any) -> Any:
            number = first_row + (row.number or 1) - 1
            wrong.append(number)
            self._on_bad(row.text, number, f"has {row.actual_columns} values where there are {row.expected_columns} columns")
            return "skip"

        wanted = [name for name in self._names if name in self._schema.names]
        reader = pyarrow.csv.open_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=min(block_bytes, LARGEST_BLOCK),
                column_names=list(self._names),
                encoding=dialect.encoding,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote,
                double_quote=dialect.escape is None,
                escape_char=dialect.escape or False,
                newlines_in_values=dialect.multiline,
                invalid_row_handler=ragged,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self._names, pa.binary()),
                include_columns=wanted,
                null_values=list(dialect.nulls),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        row = first_row
        for batch in reader:
            table = pa.Table.from_batches([batch])
            header = int(skip_header and row == first_row and table.num_rows > 0)
            yield self._typed(table.slice(header), row + header, wrong)
            row += table.num_rows

    def _typed(self, table: pa.Table, first_row: int, wrong: list[int]) -> pa.Table:
        """`table` of bytes with the types of the schema, without the rows that do not fit."""
        import pyarrow as pa

        problems: dict[int, str] = {}
        columns = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = self._schema.field(name).type
            failing = _failing(column, 0, kind)
            for i in failing:
                problems.setdefault(i, f"column {name} is not {'valid UTF-8' if pa.types.is_string(kind) else kind}")
            columns.append((name, column, kind, failing))
        if problems:
            for i, reason in sorted(problems.items()):
                self._on_bad(_line(table.slice(i, 1), self._dialect), _row_number(first_row + i, wrong), reason)
            keep = pa.array([i for i in range(table.num_rows) if i not in problems], pa.int64())
            columns = [(name, column.take(keep), kind, []) for name, column, kind, _ in columns]
        return pa.table({name: _converted(column, kind) for name, column, kind, _ in columns})


def _row_number(row: int, wrong: list[int]) -> int:
    """The number in the file of the `row`-th row that has the right number of values."""
    for number in sorted(wrong):
        row += number <= row
    return row


def _converted(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_binary(kind):
        return column
    text = column.cast(pa.string())
    return text if pa.types.is_string(kind) else text.cast(kind)


def _failing(column: Any, offset: int, kind: Any) -> list[int]:
    """Positions of the values that cannot be converted, found by halving."""
    import pyarrow as pa

    try:
        _converted(column, kind)
    except pa.ArrowException:
        if len(column) == 1:
            return [offset]
        half = len(column) // 2
        return [*_failing(column.slice(0, half), offset, kind), *_failing(column.slice(half), offset + half, kind)]
    return []


def _line(row: pa.Table, dialect: Dialect) -> str:
    text = io.StringIO()
    values = (value or b"" for value in row.to_pylist()[0].values())
    csv.writer(text, delimiter=dialect.delimiter).writerow(value.decode("utf-8", "backslashreplace") for value in values)
    return text.getvalue().rstrip("\r\n")
