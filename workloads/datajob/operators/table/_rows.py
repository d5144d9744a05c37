"""Conversion between Arrow tables and the arguments and results of user functions: dicts, pandas, polars, numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import isgenerator
from typing import TYPE_CHECKING, Any, Literal

from datajob.errors import InvalidJob
from datajob.formats._columns import empty_table, has_json, rebuilt
from datajob.formats._exact import exact_concat
from datajob.formats._plain_values import json_text
from datajob.formats.types import TypeName, arrow_type
from datajob.operators.table._exact_array import exact_array

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**53
"""Doubles represent integers up to this size exactly."""

BatchFormat = Literal["pandas", "pyarrow", "numpy", "polars"]


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
    return pa.table({name: _column([row.get(name) for row in rows], name, before, types) for name in names})


def _column(values: list[Any], name: str, before: pa.Schema, types: Mapping[str, TypeName]) -> Any:
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
        try:
            return exact_array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return pa.array(values)
    return pa.array(values)


def to_format(table: pa.Table, batch_format: BatchFormat) -> Any:
    """The table in the format of the function."""
    if batch_format == "pyarrow":
        return table
    rounded = [name for name in table.column_names if _rounded_as_double(table.column(name))]
    if batch_format == "pandas":
        return _with_nullable(table.to_pandas(), table, rounded)
    if batch_format == "numpy":
        return {name: _to_numpy(table.column(name), name in rounded) for name in table.column_names}
    try:
        import polars
    except ModuleNotFoundError as error:
        raise InvalidJob(
            "`batchFormat: polars` needs the Python package `polars`, which is not installed; choose another format."
        ) from error
    return polars.from_arrow(table)


def _with_nullable(frame: Any, table: pa.Table, names: Sequence[str]) -> Any:
    import pandas as pd

    for name in names:
        kind = "UInt64" if table.field(name).type == "uint64" else "Int64"
        frame[name] = pd.array(table.column(name).to_pylist(), dtype=kind)
    return frame


def _to_numpy(column: Any, as_objects: bool) -> Any:
    import numpy as np

    if not as_objects:
        return column.to_numpy()
    integer = column.type.to_pandas_dtype()
    return np.array([None if value is None else integer(value) for value in column.to_pylist()], object)


def _rounded_as_double(column: Any) -> bool:
    """True for integers with nulls, for which pandas and numpy use doubles, if a double cannot hold one of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.null_count or not pa.types.is_integer(column.type) or column.type.bit_width < 64:
        return False
    ends = pc.min_max(column).as_py()
    return max(-(ends["min"] or 0), ends["max"] or 0) > _EXACT


def from_any(result: Any, before: pa.Schema, types: Mapping[str, TypeName]) -> pa.Table:
    """The result of a function, in any of the formats or as a generator of these, as a table."""

    parts = [_typed(_with_columns(part), before, types) for part in (result if isgenerator(result) else [result])]
    return exact_concat(parts) if parts else empty_table(before)


def _with_columns(result: Any) -> pa.Table:
    """The table of a result. Raises TypeError for rows without columns, which would be lost."""
    table = _table(result)
    if not table.num_columns and (isinstance(result, Mapping) or len(result)):
        raise TypeError("the function returned rows without columns")
    return table


def _table(result: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(result, pa.Table):
        return result
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    if isinstance(result, Mapping):
        return pa.table({name: _from_numpy(values) for name, values in result.items()})
    if type(result).__module__.split(".")[0] == "pandas" and hasattr(result, "columns"):
        return pa.Table.from_pandas(result, preserve_index=False).replace_schema_metadata(None)
    if type(result).__module__.split(".")[0] == "polars" and hasattr(result, "to_arrow"):
        found: pa.Table = result.to_arrow()
        return found
    raise TypeError(f"the function returned {_kind_of(result)}, not a data frame, an Arrow table or a dict of arrays")


def _from_numpy(values: Any) -> Any:
    import pyarrow as pa

    return pa.array(list(values) if getattr(values, "ndim", 1) > 1 else values, from_pandas=True)


def _typed(table: pa.Table, before: pa.Schema, types: Mapping[str, TypeName]) -> pa.Table:
    """The columns with the types of `types`, or their previous types if only the conversion changed them."""
    for at, field in enumerate(table.schema):
        if field.name in types:
            wanted = arrow_type(types[field.name])
        elif field.name in before.names and _same_but_for_the_way(field.type, before.field(field.name).type):
            wanted = before.field(field.name).type
        else:
            continue
        try:
            table = table.set_column(at, field.name, table.column(at).cast(wanted))
        except ValueError:  # pyarrow's errors are ValueErrors
            if field.name in types:
                raise
    return table


def _same_but_for_the_way(now: pa.DataType, then: pa.DataType) -> bool:
    """True if a format has the same type for several Arrow types, or does not support nulls in integers."""
    import pyarrow as pa

    t = pa.types
    if now == then:
        return False
    if t.is_null(now):
        return True
    if t.is_floating(now) or t.is_boolean(now):
        return _is_one_of(then, (t.is_integer, t.is_boolean))
    if isinstance(then, pa.JsonType):
        return bool(t.is_string(now) or t.is_large_string(now) or t.is_string_view(now))
    if t.is_struct(now) and t.is_struct(then):
        return [field.name for field in now.fields] == [field.name for field in then.fields]
    texts = (t.is_string, t.is_large_string, t.is_string_view, t.is_dictionary)
    binaries = (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary)
    lists = (t.is_list, t.is_large_list, t.is_fixed_size_list)
    alike = (texts, binaries, lists, (t.is_timestamp, t.is_date), (t.is_duration,), (t.is_decimal,))
    return any(_is_one_of(now, kinds) and _is_one_of(then, kinds) for kinds in alike)


def _is_one_of(kind: pa.DataType, kinds: Iterable[Callable[[pa.DataType], bool]]) -> bool:
    return any(is_kind(kind) for is_kind in kinds)


def checked_rows(results: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
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
