"""The SQL of each aggregate function: partial aggregates of each batch, then the aggregate of each group from them.

Partial aggregates such as sums and counts are small, so that little data is exchanged; `quantile` and `collect` need all
values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.errors import InvalidJob, private
from datajob.formats._columns import rebuilt
from datajob.formats._exact import EXACT
from datajob.operators.table._connection import query, quoted
from datajob.operators.table._sql_types import for_expressions, for_grouping

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.table.group_by import Aggregate


class Formula(NamedTuple):
    """SQL of one function. `{v}` is its column, `{p0}`, `{p1}`... are its parts, `place` the place of a row in the input."""

    parts: tuple[str, ...]
    whole: str
    selects: bool = False
    """True if the result is a value of the column."""


_COLLECT = "collect"

FORMULAS = {
    "count": Formula(("count({v})",), "coalesce(sum({p0}), 0)::BIGINT"),
    "sum": Formula(("sum({v})",), "sum({p0})"),
    "min": Formula(("min({v})",), "min({p0})", True),
    "max": Formula(("max({v})",), "max({p0})", True),
    "mean": Formula(("sum({v}::DOUBLE)", "count({v})"), "sum({p0}) / nullif(sum({p1}), 0)"),
    # squares around the mean of each part, moved to the common mean (Chan, Golub, LeVeque 1979)
    "std": Formula(
        ("count({v})", "avg({v}::DOUBLE)", "var_pop({v}::DOUBLE) * count({v})"),
        "CASE WHEN sum({p0}) > 1 THEN sqrt((sum({p2}) + sum({p0} * ({p1} - {mean}) ** 2)) / (sum({p0}) - 1)) END",
    ),
    "quantile": Formula(
        ("list({v} ORDER BY place) FILTER ({v} IS NOT NULL)",), "list_aggregate({doubles}, 'quantile_cont', {q})"
    ),
    "first": Formula(("arg_min_null({v}, place)",), "arg_min_null({p0}, place)", True),
    _COLLECT: Formula(("list({v} ORDER BY place)",), "flatten(list({p0} ORDER BY place))"),
}


def partial(table: pa.Table, by: Sequence[str], aggregates: Mapping[str, Aggregate]) -> pa.Table:
    """The parts of the aggregates for each group of `table`, in the order of their first rows.

    Columns: those of `by`, then `0.0`, `0.1`, `1.0`...: part j of aggregate i.
    """
    wanted, types = list(by), [_type_of(table, name) for name in by]
    keys = {f"k{i}": for_grouping(table.column(name)) for i, name in enumerate(by)}
    sql = list(keys)
    for i, aggregate in enumerate(aggregates.values()):
        formula = FORMULAS[aggregate.function]
        for j, part in enumerate(formula.parts):
            wanted.append(f"{i}.{j}")
            sql.append(part.format(v="*" if aggregate.column is None else f"v{i}"))
            types.append(_part_type(table, aggregate))
    values = {f"v{i}": _for_sql(table.column(a.column), a) for i, a in enumerate(aggregates.values()) if a.column is not None}
    grouping = "GROUP BY " + ", ".join(keys) + " ORDER BY min(place)" if by else ""
    statement = f"SELECT {', '.join(sql)} FROM rows {grouping}"  # noqa: S608 (no word of a user in it)
    result = _query(statement, {**keys, **values}, len(table), aggregates)
    return _typed(result, wanted, types)


def is_partial(table: pa.Table, by: Sequence[str]) -> bool:
    """True for a result of `partial`."""
    return list(table.column_names[: len(by) + 1]) == [*by, "0.0"]


def whole(parts: pa.Table, by: Sequence[str], aggregates: Mapping[str, Aggregate]) -> pa.Table:
    """The aggregates of each group from all its parts, sorted by group (nulls last)."""
    keys = [f"k{i}" for i in range(len(by))]
    window = f"OVER (PARTITION BY {', '.join(keys)})" if by else "OVER ()"
    values, means = [], ["*"]
    types = [_type_of(parts, name) for name in by]
    for i, aggregate in enumerate(aggregates.values()):
        formula = FORMULAS[aggregate.function]
        places = {f"p{j}": quoted(f"{i}.{j}") for j in range(len(formula.parts))}
        if "{mean}" in formula.whole:
            means.append("sum({p0} * {p1}) {w} / sum({p0}) {w} AS mean{i}".format(**places, w=window, i=i))
        if aggregate.function == "quantile":
            values.append(_quantile(parts.column(f"{i}.0"), places["p0"], aggregate))
        else:
            values.append(formula.whole.format(**places, mean=f"mean{i}"))
        types.append(_type_of(parts, f"{i}.0") if _is_typed(aggregate) else None)
    grouping = f"GROUP BY {', '.join(keys)} ORDER BY {', '.join(f'{k} NULLS LAST' for k in keys)}" if by else ""
    of = [None] * len(by) + [a for a in aggregates.values() for _ in FORMULAS[a.function].parts]
    given = [for_grouping(c) if a is None else _for_sql(c, a) for a, c in zip(of, parts.columns, strict=True)]
    columns = dict(zip([*keys, *parts.column_names[len(by) :]], given, strict=True))
    source = f"(SELECT {', '.join(means)} FROM rows)"  # noqa: S608 (no word of a user in it)
    statement = f"SELECT {', '.join([*keys, *values])} FROM {source} {grouping}"  # noqa: S608
    result = _query(statement, columns, len(parts), aggregates)
    return _whole_numbers(_typed(result, [*by, *aggregates], types), aggregates)


def _quantile(values: Any, part: str, aggregate: Aggregate) -> str:
    """SQL of a quantile, a double between two values. Raises an error for two that a double cannot represent exactly."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, all_values = values.type.value_type, f"flatten(list({part}))"
    whole = FORMULAS["quantile"].whole
    if pa.types.is_decimal(kind):
        sql_type = f"DECIMAL({kind.precision}, {kind.scale})"
    elif pa.types.is_integer(kind) and kind.bit_width == 64:
        ends = pc.min_max(pc.list_flatten(values)).as_py()
        if max(-(ends["min"] or 0), ends["max"] or 0) <= EXACT:
            return whole.format(doubles=all_values, q=aggregate.q)
        sql_type = "UBIGINT" if pa.types.is_unsigned_integer(kind) else "BIGINT"
    else:
        return whole.format(doubles=all_values, q=aggregate.q)
    place = f"{aggregate.q} * (len({all_values}) - 1)"
    ends = [f"list_sort({all_values})[CAST({side}({place}) AS BIGINT) + 1]" for side in ("floor", "ceil")]
    rounded = (f"coalesce(TRY_CAST(CAST({end} AS DOUBLE) AS {sql_type}) <> {end}, {end} IS NOT NULL)" for end in ends)
    advice = "cannot be represented exactly as a double; `cast` the column to float64 to round it"
    return (
        f"CASE WHEN {' OR '.join(rounded)} THEN error('a value such as ' || {ends[0]} || ' {advice}') "
        f"ELSE {whole.format(doubles=f'{all_values}::DOUBLE[]', q=aggregate.q)} END"
    )


def _is_typed(aggregate: Aggregate) -> bool:
    """Whether the result has the type of the column, or is a list of it."""
    return FORMULAS[aggregate.function].selects or aggregate.function == _COLLECT


def _type_of(table: pa.Table, name: str) -> pa.DataType | None:
    return table.schema.field(name).type


def _part_type(table: pa.Table, aggregate: Aggregate) -> pa.DataType | None:
    import pyarrow as pa

    if aggregate.column is None or not _is_typed(aggregate):
        return None
    kind = table.schema.field(aggregate.column).type
    if aggregate.function != _COLLECT:
        return kind
    if pa.types.is_dictionary(kind) or (
        isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.JsonType | pa.UuidType)
    ):
        return None
    return pa.list_(kind)


def _for_sql(column: Any, aggregate: Aggregate) -> Any:
    """A column for SQL. Raises ArrowInvalid for nanoseconds of a quantile, which DuckDB would cut off."""
    import pyarrow as pa

    if aggregate.function == "quantile" and pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz))
    return for_grouping(column) if _is_typed(aggregate) or aggregate.function == "count" else for_expressions(column)


def _query(sql: str, columns: Mapping[str, Any], rows: int, aggregates: Mapping[str, Aggregate]) -> pa.Table:
    """The result of `sql` over `columns` and `place`. Raises InvalidJob when a function does not take its column."""
    import duckdb
    import numpy as np
    import pyarrow as pa

    try:
        return query(sql, rows=pa.table(dict[str, Any](columns, place=np.arange(rows))))
    except duckdb.Error as error:
        calls = ", ".join(f"{a.function} of `{a.column}`" for a in aggregates.values() if a.column)
        reason = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise InvalidJob(f"`groupBy` cannot compute its aggregates ({calls}){private(f': {reason}')}.") from error


def _typed(result: pa.Table, names: Sequence[str], types: Sequence[pa.DataType | None]) -> pa.Table:
    """`result` under `names`, with the types given; None stands for the type that SQL gave."""
    import pyarrow as pa

    def cast(column: Any, kind: Any) -> Any:
        storage = rebuilt(kind, lambda leaf: pa.binary(16) if isinstance(leaf, pa.UuidType) else leaf)
        return column if kind == column.type else column.cast(storage).cast(kind)

    columns = [c if kind is None else cast(c, kind) for c, kind in zip(result.columns, types, strict=True)]
    return pa.table(columns, names=list(names))


def _whole_numbers(result: pa.Table, aggregates: Mapping[str, Aggregate]) -> pa.Table:
    """`result` with sums of integers as int64. Raises InvalidJob for a sum that needs more bits."""
    import pyarrow as pa

    for name, aggregate in aggregates.items():
        column = result.column(name)
        if not pa.types.is_decimal(column.type) or column.type.scale or aggregate.function != "sum":
            continue
        try:
            whole_numbers: Any = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise InvalidJob(
                f"`groupBy`: a sum of `{aggregate.column}` (column `{name}`) does not fit 64 bits. `cast` "
                f"`{aggregate.column}` to decimal(30, 1) for exact sums, or to float64 for approximate ones, before this step."
            ) from error
        result = result.set_column(result.column_names.index(name), name, whole_numbers)
    return result
