"""Types of JSON columns: which values they hold without loss, and which only JSON text holds."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from datajob.formats._exact import common_type, survives_double
from datajob.formats._json_values import MAX_DEPTH, InexactNumber


def joined(a: Any, b: Any, large: bool, negative: bool) -> Any:
    """One type for the values of two; JSON text where the union would add keys to objects or round integers.

    If scalar types are incompatible, the first one is kept: values of the others are bad records.
    """
    import pyarrow as pa

    any_value = pa.json_(pa.string())
    if a == b:
        return a
    if any_value in (a, b):
        return any_value
    if {a, b} == {pa.int64(), pa.uint64()}:
        return any_value if negative else pa.uint64()
    try:
        united = common_type(a, b)
    except pa.ArrowException:
        return any_value if pa.types.is_nested(a) or pa.types.is_nested(b) else a
    rounds = large and "double" in str(united)
    return any_value if rounds or _adds_keys(a, united) or _adds_keys(b, united) else united


def _adds_keys(kind: Any, united: Any) -> bool:
    import pyarrow.types as t

    if t.is_struct(kind) and t.is_struct(united):
        mine = {f.name: f.type for f in kind}
        return len(mine) != united.num_fields or any(_adds_keys(mine[f.name], f.type) for f in united)
    return bool(t.is_list(kind) and t.is_list(united) and _adds_keys(kind.value_type, united.value_type))


def overflows(value: Any) -> bool:
    """Whether a value contains a number that is infinite as a double, which pyarrow does not parse."""
    if isinstance(value, dict | list):
        return any(map(overflows, value.values() if isinstance(value, dict) else value))
    return isinstance(value, InexactNumber) or (type(value) is int and abs(value) >= 2**1023)


def is_column(kind: Any) -> bool:
    """Whether a type can be a column: not too deep, and with a name for each member of its objects."""
    import pyarrow.types as t

    todo = [(kind, 0)]
    while todo:
        one, level = todo.pop()
        if level > MAX_DEPTH:
            return False
        if t.is_struct(one):
            if not one.num_fields or "" in one.names:
                return False
            todo += [(f.type, level + 1) for f in one]
        elif t.is_list(one):
            todo.append((one.value_type, level + 1))
    return True


def has_nulls(column: Any) -> bool:
    """Whether a member of an object within a column is null or missing."""
    import pyarrow.types as t

    def inside(array: Any) -> bool:
        if t.is_struct(array.type):
            parts = array.flatten()
            return any(part.null_count > array.null_count or inside(part) for part in parts)
        return bool(t.is_list(array.type) and inside(array.flatten()))

    return any(inside(chunk) for chunk in column.chunks)


def lacks_keys(name: str, kind: Any, lines: list[bytes]) -> bool:
    """Whether an object in a column lacks a key that the type has. Lines that are not objects are skipped."""

    def lacks(value: Any, kind: Any) -> bool:
        if isinstance(value, dict):
            return any(f.name not in value or lacks(value[f.name], f.type) for f in kind)
        return isinstance(value, list) and any(lacks(item, kind.value_type) for item in value)

    for line in lines:
        with suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict) and lacks(row.get(name), kind):
                return True
    return False


def _keys(column: Any) -> Counter[str]:
    """How many objects in a column have each key, if they have all keys of their types."""
    import pyarrow.types as t

    needed: Counter[str] = Counter()

    def count(array: Any) -> None:
        if t.is_struct(array.type):
            for i, part in enumerate(array.flatten()):
                needed[array.type.field(i).name] += len(array) - array.null_count
                count(part)
        elif t.is_list(array.type) and t.is_nested(array.type.value_type):
            count(array.flatten())

    for chunk in column.chunks:
        count(chunk)
    return needed


def certainly_complete(table: Any, data: bytes) -> bool:
    """Whether all objects in a table have all keys of their types, according to how often each key is in `data`."""
    needed = sum(map(_keys, table.columns), Counter[str]())
    for key in needed.keys() & set(table.column_names):
        needed[key] += table.num_rows
    return all(_occurrences(data, key) >= wanted for key, wanted in needed.items())


def _occurrences(data: bytes, key: str) -> int:
    """How often a key is in JSON, in its most usual spelling."""
    spelled = json.dumps(key, ensure_ascii=False).encode()
    return data.count(spelled + b":") + data.count(spelled + b" :")


def number_type(texts: set[str]) -> Any:
    import pyarrow as pa

    any_value: Any = pa.json_(pa.string())
    if all(text.lstrip("-").isdigit() for text in texts):
        numbers = [int(text) for text in texts]
        low, high = min(numbers, default=0), max(numbers, default=0)
        if low >= -(2**63) and high < 2**63:
            return pa.int64()
        return pa.uint64() if low >= 0 and high < 2**64 else any_value
    return pa.float64() if all(map(survives_double, texts)) else any_value
