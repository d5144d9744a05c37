"""Parse delimited values to Arrow. All values are read as bytes first, so that an invalid value affects only its row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.formats._csv_blocks import record_blocks
from datajob.formats._csv_header import HEAD, header
from datajob.formats._csv_records import Dialect, Records, check_escapes
from datajob.formats._csv_scan import scan
from datajob.formats._csv_types import changed_by, converted, failing, inferred, overflowing
from datajob.formats._lines import line_blocks, opened_text
from datajob.formats.storage import readable

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 16 << 20
"""Bytes read to infer the types, over all files."""
LEAST_SAMPLE = 64 << 10
BLOCK_BYTES = 16 << 20
"""Minimum size of the blocks in which rows are read."""
_ADVICE = "name the column with its type in `schema`"

OnBadRow = Callable[[str, int, str], None]
"""Called with the text of a bad row, its number (the header is row 1) and the reason."""


def inferred_types(path: str, dialect: Dialect, files: int) -> pa.Schema:
    """The columns of a file with the types inferred from its start; null if all values are null."""
    import pyarrow as pa

    parser = CsvParser(path, dialect, None, frozenset(), lambda text, row, reason: None)
    size = max(LEAST_SAMPLE, SAMPLE_BYTES // files)
    table = next(filter(len, parser.tables(0, -1, size)), None)
    names = parser.names or ()
    if table is None:
        return pa.schema([(name, pa.null()) for name in names])
    return pa.schema([inferred(name, table.column(name), len(names) == 1) for name in names])


class CsvParser:
    """Reads one file, or a byte range of it.

    `schema` contains the types of the columns to read (None: all columns, as bytes). A value of a column in `exact` is bad if
    its type cannot represent it exactly.
    """

    def __init__(self, path: str, dialect: Dialect, schema: pa.Schema | None, exact: frozenset[str], on_bad: OnBadRow) -> None:
        self._path, self._dialect, self._schema, self._exact = path, dialect, schema, exact
        self._on_bad = on_bad
        self._row = 1
        self.names: tuple[str, ...] | None = None
        """Columns of the file, available after the first block. Empty if there are no rows."""

    def tables(self, start: int, end: int, block_bytes: int) -> Iterator[pa.Table]:
        """The good rows that begin in bytes [`start`, `end`) of the file (`end` < 0: all of it), in order."""
        if start > 0:
            with opened_text(self._path) as stream:
                first = next(record_blocks(stream, self._dialect, HEAD), None)
            self.names = header(self._path, first, self._dialect)
        for records in self._blocks(start, end, block_bytes):
            check_escapes(self._path, records.data, self._dialect)
            if self.names is None:
                self.names = header(self._path, records, self._dialect)
            skip_header = self._dialect.header and self._row == 1 and start == 0
            with readable(self._path, "as CSV"):
                yield from self._parsed(records, skip_header)
        self.names = self.names or self._dialect.names

    def _blocks(self, start: int, end: int, block_bytes: int) -> Iterator[Records]:
        if end < 0:
            with opened_text(self._path) as stream:
                yield from record_blocks(stream, self._dialect, block_bytes)
            return
        for block in line_blocks(self._path, start, end, block_bytes):
            yield scan(block.data, self._dialect, b"\n", final=True)[0]

    def _parsed(self, records: Records, skip_header: bool) -> Iterator[pa.Table]:
        names = self.names or ()
        data, delimiter = records.for_arrow(self._dialect, len(names))
        good, ragged = _arrow_rows(data, delimiter, names, self._wanted(), self._dialect)
        total = good.num_rows + len(ragged)
        good, numbers = self._with_ragged(good, ragged, records, delimiter)
        if skip_header:
            good, numbers = good.slice(1), numbers[1:]
        self._row, first = self._row + total, self._row
        if len(good):
            yield self._typed(good, numbers + first)

    def _wanted(self) -> list[str]:
        names = self.names or ()
        return [name for name in names if self._schema is None or name in self._schema.names]

    def _with_ragged(self, good: pa.Table, ragged: Sequence[_Ragged], records: Records, delimiter: str) -> tuple[pa.Table, Any]:
        """The rows, including ragged ones that the dialect adapts to the columns, and the number of each, from 0."""
        import numpy as np
        import pyarrow as pa

        names, wrong = self.names or (), []
        fitted: list[tuple[int, str]] = []
        for number, text, values in ragged:
            if text.startswith("\x00") and (edit := _edit_of(text, records)):
                shown = records.data[edit.start : edit.end].decode("utf-8", "backslashreplace").rstrip("\r\n")
                wrong.append((number, shown, edit.reason or ""))
            elif (fit := _fit(text, values, len(names), delimiter, self._dialect)) is not None:
                fitted.append((number, fit))
            else:
                shown = text if delimiter == self._dialect.delimiter else text.replace(delimiter, self._dialect.delimiter)
                reason = f"has {values} values, but there are {len(names)} columns"
                wrong.append((number, shown, f"{reason}; set `ragged` to fill or cut such rows" if not wrong else reason))
        for number, shown, reason in wrong:
            self._on_bad(shown, self._row + number, reason)
        total = good.num_rows + len(ragged)
        numbers = np.arange(total)
        if ragged:
            numbers = np.delete(numbers, [number for number, *_ in ragged])
        if not fitted:
            return good, numbers
        lines = "\n".join(text for _, text in fitted).encode()
        more, _ = _arrow_rows(lines, delimiter, names, good.column_names, self._dialect)
        numbers = np.concatenate([numbers, [number for number, _ in fitted]])
        order = np.argsort(numbers, kind="stable")
        return pa.concat_tables([good, more]).take(pa.array(order)), numbers[order]

    def _typed(self, table: pa.Table, numbers: Any) -> pa.Table:
        """`table` with the types of the schema, without the rows that do not fit."""
        import pyarrow as pa

        if self._schema is None:
            return table
        problems: dict[int, str] = {}
        columns = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = self._schema.field(name).type
            column = _without_empty(column, kind) if len(self.names or ()) == 1 else column
            values, misfits = _values(column, kind, name in self._exact)
            for i, reason in misfits.items():
                problems.setdefault(i, f"column {name}{reason}")
            columns.append(values)
        if problems:
            rows = sorted(problems)
            for i, line in zip(rows, _lines(table.take(pa.array(rows)), self._dialect), strict=True):
                self._on_bad(line, int(numbers[i]), problems[i])
            keep = pa.array([i for i in range(table.num_rows) if i not in problems], pa.int64())
            columns = [values.take(keep) for values in columns]
        return pa.table(dict(zip(table.column_names, columns, strict=True)))


def _values(column: Any, kind: Any, exact: bool) -> tuple[Any, dict[int, str]]:
    """A column of bytes as `kind`, with null for bad values, and the reasons."""
    import pyarrow as pa

    misfits: dict[int, str] = {}
    try:
        values = converted(column, kind)
    except pa.ArrowException:
        reason = f" is not {'valid UTF-8' if pa.types.is_string(kind) else kind}"
        misfits = dict.fromkeys(failing(column, kind), reason)
        column = _without(column, misfits)
        values = converted(column, kind)
    if not pa.types.is_string(kind) and not pa.types.is_binary(kind):
        for i in changed_by(column, values) if exact else overflowing(column, values):
            text = column[i].as_py().decode("utf-8", "backslashreplace")[:100]
            advice = _ADVICE if exact else "declare a type that represents it"
            misfits[i] = f": {text!r} cannot be represented exactly as {kind}; {advice}"
    return values, misfits


def _without(column: Any, positions: Iterable[int]) -> Any:
    """A column with null at some positions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = np.zeros(len(column), bool)
    mask[list(positions)] = True
    return pc.if_else(pa.array(mask), pa.scalar(None, pa.binary()), column)


_Ragged = tuple[int, str, int]
"""Number of a row in its block (from 0), its text, and its number of values."""


def _arrow_rows(
    data: bytes, delimiter: str, names: Sequence[str], wanted: Sequence[str], dialect: Dialect
) -> tuple[pa.Table, list[_Ragged]]:
    """The rows of `data` with one value per name, as bytes; and the other rows."""
    import pyarrow as pa
    import pyarrow.csv

    ragged: list[_Ragged] = []

    def on_ragged(row: Any) -> str:
        ragged.append(((row.number or 1) - 1, row.text, row.actual_columns))
        return "skip"

    if not names or not data or (data.isspace() and len(delimiter) and delimiter not in "\t "):
        return pa.table({name: pa.array([], pa.binary()) for name in wanted}), []
    utf8 = _is_utf8(data)  # pyarrow cannot return a ragged row that is not
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,
            block_size=min(2 * len(data) + 64, (1 << 31) - 1),
            column_names=list(names),
            encoding="utf8" if utf8 else "latin1",
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            quote_char=dialect.quote or False,
            double_quote=dialect.parsed_escape is None,
            escape_char=dialect.parsed_escape or False,
            invalid_row_handler=on_ragged,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=list(wanted),
            null_values=list(dialect.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if not utf8:
        ragged = [(number, text.encode("latin-1").decode("utf-8", "backslashreplace"), n) for number, text, n in ragged]
        table = pa.table({name: _from_latin1(column) for name, column in zip(table.column_names, table.columns, strict=True)})
    return table, ragged


def _is_utf8(data: bytes) -> bool:
    import pyarrow as pa

    if data.isascii():
        return True
    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole: Any = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(data)])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _from_latin1(column: Any) -> Any:
    import pyarrow as pa

    values = (None if value is None else value.decode().encode("latin-1") for value in column.to_pylist())
    return pa.chunked_array([pa.array(values, pa.binary())])


def _edit_of(text: str, records: Records) -> Any:
    number = re.match(r"\x00(\d+)", text)
    return records.edits[int(number[1])] if number and int(number[1]) < len(records.edits) else None


def _fit(text: str, values: int, columns: int, delimiter: str, dialect: Dialect) -> str | None:
    """A row with one value per column, if the dialect allows filling or cutting it."""
    if values < columns:
        return text + delimiter * (columns - values) if dialect.ragged in ("fill", "fit") else None
    if dialect.ragged not in ("cut", "fit"):
        return None
    mark, quote = re.escape(delimiter), re.escape(dialect.quote)
    quoted = f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}" if dialect.quote else "(?!)"
    value = f"(?:{quoted})?[^{mark}]*"
    found = re.match(f"{value}(?:{mark}{value}){{{columns - 1}}}(?={mark})", text, re.DOTALL)
    return found[0] if found else None


def _without_empty(column: Any, kind: Any) -> Any:
    """An empty text as null, in a file with one column, in which a blank line is not a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return column
    return pc.if_else(pc.equal(pc.binary_length(column), 0), pa.scalar(None, pa.binary()), column)


def _lines(rows: pa.Table, dialect: Dialect) -> Iterator[str]:
    """Rows as text, approximately as in the file."""
    for row in rows.to_pylist():
        text = io.StringIO()
        values = ((value or b"").decode("utf-8", "backslashreplace") for value in row.values())
        csv.writer(text, delimiter="\t" if len(dialect.delimiter) > 1 else dialect.delimiter).writerow(values)
        yield text.getvalue().rstrip("\r\n")
