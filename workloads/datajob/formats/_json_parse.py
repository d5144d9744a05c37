"""Parse JSON Lines to Arrow, in blocks with pyarrow. If a block contains a bad line, its lines are checked in Python."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from datajob.formats._columns import empty_table
from datajob.formats._exact import ROUNDS_FROM
from datajob.formats._json_check import ADVICE, LineCheck
from datajob.formats._json_declared import MisfitError, form_of, from_form, from_texts, has_map
from datajob.formats._json_keys import KeyCheck
from datajob.formats._json_values import RawKind, with_values_as_text, without_lone_surrogates
from datajob.formats._lines import Block

if TYPE_CHECKING:
    import pyarrow as pa

PARSE_BYTES = 2 << 20
"""pyarrow parses in pieces of this size, twice as fast as in one of 64 MB."""
_BEGINS = re.compile(rb"[ \t\r\n]*(\{|\Z)")
_NULL = r"(?:\A|[\n}])[ \t\r\n]*null"

OnBadLine = Callable[[Block, str], None]
"""Called with a bad line and the reason."""


class JsonParser:
    """Parses blocks of JSON lines to tables of `schema`.

    `others` determines how fields outside the schema are handled. `raw` are columns whose values are kept as text.
    """

    def __init__(
        self,
        schema: pa.Schema,
        others: Literal["error", "ignore", "infer"],
        raw: Mapping[str, RawKind],
        replace_surrogates: bool = False,
        declared: Collection[str] = (),
    ) -> None:
        import pyarrow as pa
        import pyarrow.json

        self.schema = schema
        self._maps = [field.name for field in schema if field.name not in raw and has_map(field.type)]
        self.raw: dict[str, RawKind] = {**raw, **dict.fromkeys(self._maps, "json")}
        self._infers = others == "infer"
        self.replace_surrogates = replace_surrogates
        forms = pa.schema([(f.name, pa.string() if f.name in self.raw else form_of(f.type)) for f in schema])
        checked = pa.schema([(f.name, pa.string() if f.name in raw else f.type) for f in schema])
        self._converted = [field.name for field in schema if field.name not in self.raw and field.type != form_of(field.type)]
        self._options = pyarrow.json.ParseOptions(explicit_schema=forms, unexpected_field_behavior=others)
        inferred = [f.name for f in schema if f.name not in {*declared, *self.raw}]
        self._keys = KeyCheck(forms, others == "ignore", inferred, bool(self.raw))
        self._check = LineCheck(checked, others != "error", self._maps, {*declared, *raw})
        self._long_fraction = long_fraction(forms)

    def parse(self, data: bytes) -> pa.Table:
        """All rows of a block. Raises ValueError (such as ArrowInvalid) if a line is bad."""
        return self._parsed(self.prepared(data), exact=True)

    def unchecked(self, data: bytes) -> pa.Table:
        """All rows of a block, with rounded doubles. Raises ValueError if a line is bad."""
        return self._parsed(self.prepared(data), exact=False)

    def prepared(self, data: bytes) -> bytes:
        """Lines for pyarrow, with raw values as strings. Raises ValueError for values that would change."""
        if not data.isascii():
            check_utf8(data)
        if self.replace_surrogates and b"\\ud" in data.lower():
            data = without_lone_surrogates(data.decode()).encode()
        return with_values_as_text(data, self.raw) if self.raw else data

    def _parsed(self, data: bytes, exact: bool) -> pa.Table:
        import pyarrow as pa

        if not data:
            return empty_table(self.schema)
        pieces = [self._parse(piece, exact and not self._infers) for piece in self._pieces(data)]
        table = pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces)
        if table.num_rows != data.count(b"\n") + (not data.endswith(b"\n")):
            lines = sum(1 for line in data.split(b"\n") if line and not line.isspace())
            if table.num_rows != lines:
                raise ValueError("not exactly one JSON object on the line")
        if all(column.null_count for column in table.columns) and matches(_NULL, data):
            raise ValueError("not a JSON object")  # the row that pyarrow makes of `null`
        if exact and may_be_inexact(data, table, self._long_fraction):
            raise ValueError("a number may not be exactly a double")
        if exact and not self._infers and self._keys.lacks_keys(table, data):
            raise ValueError("an object lacks a key")
        return self._typed(table)

    def _typed(self, table: pa.Table) -> pa.Table:
        texts = [name for name, kind in self.raw.items() if kind == "json" and name in self.schema.names]
        for name in (*texts, *self._converted):
            at, kind = table.schema.get_field_index(name), self.schema.field(name).type
            if at < 0:
                continue
            column = table.column(at)
            if name in self._maps:
                column = from_texts(name, column, kind, self._check.columns[name])
            else:
                column = from_form(name, column, kind) if name in self._converted else column.cast(kind)
            table = table.set_column(at, name, column)
        return table

    def _pieces(self, data: bytes) -> Iterator[memoryview]:
        """Lines in pieces, each of which begins with an object: pyarrow crashes on one that begins with `null`."""
        start = 0
        while start < len(data):
            end = len(data)
            if not self._infers and end - start > PARSE_BYTES:
                last = start + PARSE_BYTES
                end = data.rfind(b"\n", start, last) + 1 or data.find(b"\n", last) + 1 or end
            begins = _BEGINS.match(data, start, end)
            if begins is None:
                raise ValueError("not a JSON object")
            if begins[1] or not start:
                yield memoryview(data)[start:end]
            start = end

    def _parse(self, piece: memoryview, exact: bool) -> pa.Table:
        import pyarrow as pa
        import pyarrow.json

        read = pyarrow.json.ReadOptions(use_threads=False, block_size=len(piece) + 1)
        options = exact and self._keys.options
        table = pyarrow.json.read_json(pa.BufferReader(piece), read_options=read, parse_options=options or self._options)
        return self._keys.checked(table) if options else table

    def tables(self, block: Block, on_bad: OnBadLine) -> Iterator[pa.Table]:
        """The rows of the good lines of a block, in order."""
        import pyarrow as pa

        try:
            table = self.parse(block.data)
        except (pa.ArrowException, ValueError, RecursionError):
            yield from self._good_lines(block, on_bad)
        else:
            if table.num_rows:
                yield table

    def _good_lines(self, block: Block, on_bad: OnBadLine) -> Iterator[pa.Table]:
        good: list[tuple[Block, bytes]] = []
        for line in _lines(block):
            try:
                prepared = self.prepared(line.data)
                problem = self._check(prepared)
            except (ValueError, RecursionError) as error:
                problem = reason(error)
            if problem:
                on_bad(line, problem)
            else:
                good.append((line, prepared))
        yield from self._sure(good, on_bad)

    def _sure(self, lines: list[tuple[Block, bytes]], on_bad: OnBadLine) -> Iterator[pa.Table]:
        """The rows of lines without problems according to LineCheck. Split in half while pyarrow still reports a problem."""
        import pyarrow as pa

        if not lines:
            return
        try:
            table = self._parsed(b"\n".join(prepared for _, prepared in lines), exact=False)
        except (pa.ArrowException, ValueError) as error:
            if len(lines) == 1:
                on_bad(lines[0][0], reason(error))
                return
            half = len(lines) // 2
            yield from self._sure(lines[:half], on_bad)
            yield from self._sure(lines[half:], on_bad)
        else:
            yield table


def _lines(block: Block) -> Iterator[Block]:
    """The lines of a block that are not blank."""
    offset = block.offset
    for line in block.data.split(b"\n"):
        if line and not line.isspace():
            yield replace(block, data=line, offset=offset)
        offset += len(line) + 1 if block.unit == "byte" else 1


def reason(error: BaseException) -> str:
    """Why a line was refused, as the end of a sentence."""
    if isinstance(error, MisfitError):
        return str(error)
    text = re.sub(r"^JSON parse error: | in row \d+$", "", " ".join(str(error).split()))
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if match := re.match(r"Column\(/?(.*)\) changed from (\w+) to (\w+)", text):
        column = match[1].replace("/", ".").replace(".[]", "[]")
        return f"column {column} should be {match[2]} but is {match[3]}; {ADVICE}" if column else "not a JSON object"
    if match := re.match(r"Failed to convert JSON to (.*), couldn't parse:\s?(.*)", text):
        return f"{match[2][:200]} is not {match[1]}; {ADVICE}"
    if match := re.match(r"Failed to convert JSON to (.*?\)?): (.*)", text):
        return f"{match[2]}, which {match[1]} does not have; {ADVICE}"
    return text if text.startswith(("not ", "nested ", "contains ")) else f"not JSON: {text[:500]}"


def check_utf8(data: bytes) -> None:
    """Raise ValueError unless `data` is valid UTF-8."""
    import pyarrow as pa

    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole: Any = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(data)])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise ValueError("not valid UTF-8") from error


def matches(pattern: str, data: bytes) -> bool:
    """Whether a regular expression of RE2 occurs in `data`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole: Any = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(data)])
    return bool(pc.match_substring_regex(whole, pattern)[0].as_py())


MANY_DIGITS = 1e11
"""A number from this size needs at most six decimals to have 18 digits."""


def may_be_inexact(data: bytes, table: pa.Table, pattern: str | None) -> bool:
    """Whether a double can differ from the number in the file. Only then are the lines checked."""
    if pattern is None:
        return False
    doubles = [leaf for column in table.columns for chunk in column.chunks for leaf in _floats(chunk)]
    return any(map(_is_large, doubles)) or (any(map(_is_long, doubles)) and matches(pattern, data))


def long_fraction(schema: Any) -> str | None:
    """The pattern of numbers with more than 17 digits or near zero in columns of doubles."""
    names: set[str] = set()
    lists = [_doubles(field.type, field.name, names) for field in schema]
    if not names and not any(lists):
        return None
    keys = [re.escape(json.dumps(name, ensure_ascii=False)) for name in sorted(names)]
    starts = [*(rf"{key}\s*:" for key in keys), r'\\[^"]*"\s*:', *([r"[\[,]"] if any(lists) else [])]
    return rf"(?:{'|'.join(starts)})\s*-?(?:0?\.?0*[1-9](?:[0-9]{{17}}|[0-9.]{{18}})|[0-9.]+[eE]-[0-9]{{3}})"


def _doubles(kind: Any, name: str, names: set[str]) -> bool:
    """Collect the names of members that are doubles; True when there are doubles in lists."""
    import pyarrow.types as t

    if t.is_floating(kind):
        names.add(name)
    if t.is_struct(kind):
        return True in [_doubles(field.type, field.name, names) for field in kind]
    if t.is_list(kind) or t.is_fixed_size_list(kind):
        return t.is_floating(kind.value_type) or _doubles(kind.value_type, name, names)
    return _doubles(kind.item_type, "value", names) if t.is_map(kind) else False


def _is_large(numbers: Any) -> bool:
    """Whether a number is so large that integers of its size are rounded."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.greater_equal(pc.abs(numbers), ROUNDS_FROM[numbers.type.bit_width])).as_py())


def _is_long(numbers: Any) -> bool:
    """Whether a number can be the remainder of 18 digits or of 1e-400: it has more than six decimals or 11 digits before them,
    or is zero."""
    import pyarrow.compute as pc

    short = pc.and_(pc.equal(pc.round(numbers, 6), numbers), pc.not_equal(numbers, 0.0))
    return not pc.all(pc.and_(short, pc.less(pc.abs(numbers), MANY_DIGITS)), min_count=0).as_py()


def _floats(array: Any) -> Iterator[Any]:
    """The arrays of floating-point numbers inside an array; more than its values where it is a slice."""
    import pyarrow.types as t

    kind = array.type
    if t.is_floating(kind):
        yield array
    elif t.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _floats(array.field(i))
    elif t.is_map(kind):
        yield from _floats(array.items)
    elif t.is_list(kind) or t.is_fixed_size_list(kind):
        yield from _floats(array.values)
