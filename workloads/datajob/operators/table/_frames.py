"""Conversion between Arrow tables and the batches of user functions: pandas, polars, numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import isgenerator
from typing import TYPE_CHECKING, Any, Literal

from datajob.errors import InvalidJob
from datajob.formats._columns import empty_table, leaves
from datajob.formats._exact import exact_cast, exact_concat
from datajob.formats.types import TypeName, arrow_type
from datajob.operators.table._rows import column_of

if TYPE_CHECKING:
    import pyarrow as pa

BatchFormat = Literal["pandas", "pyarrow", "numpy", "polars"]


def to_format(table: pa.Table, batch_format: BatchFormat) -> Any:
    """The table in the format of the function."""
    if batch_format == "pyarrow":
        return table
    if batch_format == "pandas":
        return _to_pandas(table)
    if batch_format == "numpy":
        return {name: _to_numpy(table.column(name)) for name in table.column_names}
    try:
        import polars
    except ModuleNotFoundError as error:
        raise InvalidJob(
            "`batchFormat: polars` needs the Python package `polars`, which is not installed; choose another format."
        ) from error
    return polars.from_arrow(table)


def _to_pandas(table: pa.Table) -> Any:
    """A data frame. Nullable numbers represent null, which is not NaN; lists that contain null are Python lists."""
    import pandas as pd

    frame = table.to_pandas()
    for name in table.column_names:
        column = table.column(name)
        if column.null_count and _is_number(column.type):
            frame[name] = _masked_pandas(*_with_mask(column))
        elif _contains_null(column):
            frame[name] = pd.Series(column.to_pylist(), dtype=object)
    return frame


def _masked_pandas(values: Any, mask: Any) -> Any:
    import pandas as pd

    kinds = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return kinds.get(values.dtype.kind, pd.arrays.IntegerArray)(values, mask)


def _to_numpy(column: Any) -> Any:
    """An array; one with a mask for numbers and times with nulls."""
    import numpy as np
    import pyarrow as pa

    if _contains_null(column):
        values = np.empty(len(column), object)
        values[:] = column.to_pylist()
        return values
    if column.null_count and (
        _is_number(column.type) or pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type)
    ):
        return np.ma.MaskedArray(*_with_mask(column))
    return column.to_numpy()


def _with_mask(column: Any) -> tuple[Any, Any]:
    """The values of a column, with zero for null, and where it is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    filled = pc.fill_null(column, pa.scalar(0).cast(column.type))
    return filled.to_numpy().copy(), column.is_null().to_numpy()


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _contains_null(column: Any) -> bool:
    """Whether a nested column has nulls within its values, which arrays of numbers would represent as NaN."""
    import pyarrow as pa

    if not pa.types.is_nested(column.type):
        return False
    return any(leaf.null_count for chunk in column.chunks for leaf in leaves(chunk))


def from_any(result: Any, before: pa.Schema, types: Mapping[str, TypeName]) -> pa.Table:
    """The result of a function, in any of the formats or as a generator of these, as a table."""
    parts = [_typed(_with_columns(part, before), before, types) for part in (result if isgenerator(result) else [result])]
    return exact_concat(parts) if parts else empty_table(before)


def _with_columns(result: Any, before: pa.Schema) -> pa.Table:
    """The table of a result. Raises TypeError for rows without columns, which would be lost."""
    table = _table(result, before)
    if not table.num_columns and (isinstance(result, Mapping) or len(result)):
        raise TypeError("the function returned rows without columns")
    return table


def _table(result: Any, before: pa.Schema) -> pa.Table:
    import pyarrow as pa

    if isinstance(result, pa.Table):
        return result
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    package = type(result).__module__.split(".")[0]
    if isinstance(result, Mapping):
        return _from_columns(dict(result), before)
    if package == "pandas" and hasattr(result, "columns"):
        names = [str(name) for name in result.columns]
        if len(set(names)) < len(names):
            raise TypeError(f"the function returned two columns of one name: {', '.join(names)}")
        return _from_columns({name: result.iloc[:, i] for i, name in enumerate(names)}, before)
    if package == "polars" and hasattr(result, "to_arrow"):
        found: pa.Table = result.to_arrow()
        return found
    kind = "None" if result is None else f"a value of type {type(result).__name__}"
    raise TypeError(f"the function returned {kind}, not a data frame, an Arrow table or a dict of arrays")


def _from_columns(columns: Mapping[str, Any], before: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = _array(values, name, before)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise TypeError(f"column `{name}` of the result cannot be converted: {error}") from error
    return pa.table(arrays)


def _array(values: Any, name: str, before: pa.Schema) -> Any:
    """One column. NaN is null in new columns of pandas, which has no other missing value there; elsewhere, it is NaN."""
    import pyarrow as pa

    if getattr(values, "ndim", 1) > 1:
        return pa.array(list(values))
    of_pandas = type(values).__module__.startswith("pandas")
    if not hasattr(values, "dtype") or values.dtype.kind == "O":
        return column_of([None if of_pandas and _is_missing(value) else value for value in values], name, before, {})
    previous = before.field(name).type if name in before.names else None
    array: Any = pa.array(values, from_pandas=of_pandas and (previous is None or not pa.types.is_floating(previous)))
    if values.dtype.kind == "M" and not of_pandas and getattr(previous, "tz", None):
        return array.cast(pa.timestamp(array.type.unit, "UTC"))  # numpy has no time zones: it received times in UTC
    return array


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _typed(table: pa.Table, before: pa.Schema, types: Mapping[str, TypeName]) -> pa.Table:
    """The columns with the types of `types`, or their previous types if only the conversion changed them."""
    for at, field in enumerate(table.schema):
        if field.name in types:
            table = table.set_column(at, field.name, table.column(at).cast(arrow_type(types[field.name])))
        elif field.name in before.names and _same_but_for_the_way(field.type, before.field(field.name).type):
            try:
                table = table.set_column(at, field.name, _cast(table.column(at), before.field(field.name).type))
            except ValueError:  # pyarrow's errors are ValueErrors
                continue
    return table


def _cast(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    return exact_cast(column.cast(column.type.storage_type) if isinstance(column.type, pa.JsonType) else column, kind)


def _same_but_for_the_way(now: pa.DataType, then: pa.DataType) -> bool:
    """True if a format has the same type for several Arrow types, or does not support nulls in integers."""
    import pyarrow as pa

    t = pa.types
    if now == then:
        return False
    if t.is_null(now):
        return True
    if isinstance(then, pa.JsonType):
        return bool(isinstance(now, pa.JsonType) or t.is_string(now) or t.is_large_string(now) or t.is_string_view(now))
    if t.is_struct(now) and t.is_struct(then):
        return [field.name for field in now.fields] == [field.name for field in then.fields]
    if t.is_timestamp(now) and t.is_timestamp(then):
        return bool((now.tz is None) == (then.tz is None))
    texts = (t.is_string, t.is_large_string, t.is_string_view, t.is_dictionary)
    binaries = (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary)
    lists = (t.is_list, t.is_large_list, t.is_fixed_size_list)
    numbers = (t.is_integer, t.is_floating, t.is_boolean)
    alike = (texts, binaries, lists, numbers, (t.is_map,), (t.is_timestamp, t.is_date), (t.is_time,), (t.is_duration,))
    return any(_is_one_of(now, kinds) and _is_one_of(then, kinds) for kinds in (*alike, (t.is_decimal,)))


def _is_one_of(kind: pa.DataType, kinds: Iterable[Callable[[pa.DataType], bool]]) -> bool:
    return any(is_kind(kind) for is_kind in kinds)
