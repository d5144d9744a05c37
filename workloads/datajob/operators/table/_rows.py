"""Conversion between Arrow tables and the arguments and results of user functions: dicts, pandas, polars, numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError, described
from datajob.formats._columns import has_json, rebuilt
from datajob.formats._plain_values import json_text
from datajob.formats.types import TypeName, arrow_type
from datajob.operators.table._exact_array import exact_array, inferred_array, previous_array

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.batch import Batch


def table_of(rows: Sequence[Mapping[str, Any]], before: pa.Schema, types: Mapping[str, TypeName]) -> pa.Table:
    """The rows that a function returned, each a mapping, as a table.

    A column has the type in `types`, otherwise its type before the function if its values fit, otherwise the type that
    its values suggest. Existing columns come first, in order.
    """
    import pyarrow as pa

    seen = dict.fromkeys(name for row in rows for name in row)
    if other := [name for name in seen if not isinstance(name, str)]:
        raise TypeError(f"the function returned a row with the key {other[0]!r}, which is not a string")
    names = [*(n for n in before.names if n in seen), *(n for n in seen if n not in before.names)]
    if not rows:
        names = [*before.names, *(n for n in types if n not in before.names)]
    return pa.table({name: column_of([row.get(name) for row in rows], name, before, types) for name in names})


def column_of(values: list[Any], name: str, before: pa.Schema, types: Mapping[str, TypeName]) -> Any:
    """The values as an array, as in `table_of`."""
    import pyarrow as pa

    if name in types:
        return exact_array(values, arrow_type(types[name]))
    if name in before.names:
        kind = before.field(name).type
        if isinstance(kind, pa.JsonType):
            texts = [value if value is None or isinstance(value, str) else json_text(value) for value in values]
            return pa.array(texts, pa.string()).cast(kind)
        if has_json(kind):  # pyarrow cannot build lists of JSON values
            as_text = exact_array(values, rebuilt(kind, lambda leaf: pa.string() if isinstance(leaf, pa.JsonType) else leaf))
            return as_text.cast(kind)
        return previous_array(values, kind)
    return inferred_array(values)


def call_on_rows(batch: Batch, call: Callable[[dict[str, Any]], Iterable[Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """The rows that a function returns for each row, by the position of the row. The rows on which it raises fail."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for position, row in enumerate(batch.table.to_pylist()):
        try:
            found[position] = list(_checked(call(row)))
        except (DataJobError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - anything that user code raises is an error of the row
            batch.fail(position, described(error))
    return found


def _checked(results: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The rows that a function returned. Raises TypeError at the first value that is not a row."""
    for row in results:
        if not isinstance(row, Mapping):
            hint = "; is `return row` missing?" if row is None else ""
            raise TypeError(f"the function returned {_kind_of(row)}, not a dict{hint}")
        if not row:
            raise TypeError("the function returned an empty dict, which is not a row")
        yield row


def _kind_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
