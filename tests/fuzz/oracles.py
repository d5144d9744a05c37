"""What the checks compare with: Python's json, exactly, and the texts of Arrow values."""

import json
from typing import Any

import pyarrow as pa


def need(condition: object, message: str) -> None:
    """Raise AssertionError with a message unless a condition is true."""
    if not condition:
        raise AssertionError(message)


def exact(text: str) -> Any:
    """JSON with all digits and all members."""
    return json.loads(
        text, parse_float=lambda t: ("number", t), parse_int=lambda t: ("number", t), object_pairs_hook=lambda p: ("object", p)
    )


def strict(line: bytes) -> dict[str, Any] | None:
    """The object on a line, or None when it is none."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        row = json.loads(line.decode(), parse_constant=refuse)
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def same(read_value: Any, text: Any) -> bool:
    """Whether a value of a typed column is the value that Python's json has."""
    if isinstance(text, dict) and isinstance(read_value, dict):
        return read_value.keys() == text.keys() and all(same(read_value[name], text[name]) for name in text)
    if isinstance(text, list) and isinstance(read_value, list):
        return len(text) == len(read_value) and all(map(same, read_value, text))
    if isinstance(text, bool) or isinstance(read_value, bool) or text is None or read_value is None:
        return read_value is text
    return type(read_value) in (int, float, str) and read_value == text


def compare_with_json(line: bytes, row: dict[str, Any], columns: pa.Schema) -> None:
    """Raise AssertionError unless a row has the values of a line."""
    expected = strict(line) or {}
    raw = dict(exact(line.decode())[1])
    for name in columns.names:
        if isinstance(columns.field(name).type, pa.JsonType):
            text = None if row[name] is None else exact(row[name])
            need(text == raw.get(name), f"{name}: {row[name]!r} of {line[:200]!r}")
        else:
            need(same(row[name], expected.get(name)), f"{name}: {row[name]!r} of {line[:200]!r}")


def texts_of(column: Any) -> list[str]:
    """Each value of a column as text."""
    from datajob.engine.counts.shown import shown

    return [shown(column, i) for i in range(len(column))]
