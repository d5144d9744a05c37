"""JSON lines to Arrow: a block at a time, and line by line only where a block holds a bad one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from datajob.formats._lines import Block

if TYPE_CHECKING:
    import pyarrow as pa

PARSE_BYTES = 4 << 20
"""pyarrow parses in pieces of this size, twice as fast as in one of 64 MB."""

OnBadLine = Callable[[Block, str], None]
"""Called with a bad line and the reason."""


class JsonParser:
    """Parses blocks of JSON lines to tables of `schema`.

    `others` says what becomes of fields outside of the schema; `as_text` are columns whose value is kept as JSON text.
    """

    def __init__(self, schema: pa.Schema, others: Literal["error", "ignore", "infer"], as_text: tuple[str, ...] = ()) -> None:
        import pyarrow.json

        self.schema = schema
        self._as_text = as_text
        self._options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others)

    def parse(self, data: bytes) -> pa.Table:
        """All rows of a block. Raises ValueError (ArrowInvalid is one) when any of its lines is bad."""
        import pyarrow as pa

        _check_utf8(data)
        if self._as_text:
            data = b"".join(_values_as_text(line, self._as_text) for line in data.split(b"\n") if line.strip())
        if not data:
            return self.schema.empty_table()
        try:
            table = self._parse(data, PARSE_BYTES)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            table = self._parse(data, len(data) + 1)  # there is a longer line
        if table.num_rows != data.count(b"\n") + (not data.endswith(b"\n")):
            lines = sum(1 for line in data.split(b"\n") if line and not line.isspace())
            if table.num_rows != lines:
                raise ValueError("not exactly one JSON object on the line")
        return table

    def _parse(self, data: bytes, block_bytes: int) -> pa.Table:
        import pyarrow as pa
        import pyarrow.json

        options = pyarrow.json.ReadOptions(use_threads=False, block_size=block_bytes)
        return pyarrow.json.read_json(pa.BufferReader(data), read_options=options, parse_options=self._options)

    def tables(self, block: Block, on_bad: OnBadLine) -> Iterator[pa.Table]:
        """The rows of the good lines of a block, in order; a block with a bad line is halved until the line stands alone."""
        import pyarrow as pa

        data = block.data
        try:
            table = self.parse(data)
        except (pa.ArrowException, ValueError, RecursionError) as error:
            cut = data.find(b"\n", len(data) // 2, len(data) - 1) + 1 or data.rfind(b"\n", 0, len(data) // 2) + 1
            if not cut:
                on_bad(block, self._reason(error, data))
                return
            passed = cut if block.unit == "byte" else data.count(b"\n", 0, cut)
            yield from self.tables(replace(block, data=data[:cut]), on_bad)
            yield from self.tables(replace(block, data=data[cut:], offset=block.offset + passed), on_bad)
        else:
            if table.num_rows:
                yield table

    def _reason(self, error: BaseException, line: bytes) -> str:
        text = re.sub(r"^JSON parse error: | in row 0$", "", " ".join(str(error).split()))
        if isinstance(error, RecursionError):
            return "nested too deeply"
        if text == "unexpected field":
            return f"{_unknown_field(line, self.schema)} is not among the columns, which were learnt from a sample; {_ADVICE}"
        if match := re.match(r"Column\(/?(.*)\) changed from (\w+) to (\w+)", text):
            column = match[1].replace("/", ".").replace(".[]", "[]")
            return f"column {column} should be {match[2]} but is {match[3]}; {_ADVICE}" if column else "not a JSON object"
        if match := re.match(r"Failed to convert JSON to (.*), couldn't parse:\s?(.*)", text):
            return f"{match[2][:200]} is not {match[1]}; {_ADVICE}"
        return text if text.startswith("not ") else f"not JSON: {text[:500]}"


_ADVICE = "name it with its type in `schema`, or list what to read in `columns`"


def _check_utf8(data: bytes) -> None:
    import pyarrow as pa

    if data.isascii():
        return
    ends = pa.array([0, len(data)], pa.int64()).buffers()[1]
    whole: Any = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(data)])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise ValueError("not valid UTF-8") from error


def _values_as_text(line: bytes, columns: tuple[str, ...]) -> bytes:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for column in columns:
        if row.get(column) is not None:
            row[column] = json.dumps(row[column], ensure_ascii=False)
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _unknown_field(line: bytes, schema: pa.Schema) -> str:
    import pyarrow as pa

    def first(value: Any, kind: Any, where: str) -> str | None:
        if isinstance(value, list) and pa.types.is_list(kind):
            return next(filter(None, (first(item, kind.value_type, f"{where}[]") for item in value)), None)
        if not isinstance(value, dict) or not pa.types.is_struct(kind):
            return None
        known = {field.name: field.type for field in kind}
        inner = ((key, f"{where}.{key}".lstrip(".")) for key in value)
        return next(filter(None, (first(value[k], known[k], at) if k in known else f"field {at}" for k, at in inner)), None)

    try:
        return first(json.loads(line), pa.struct(list(schema)), "") or "a field"
    except (ValueError, RecursionError):
        return "a field"
