"""Which rows of two tables agree in their keys, and the table of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.errors import InvalidJob, private
from datajob.formats._columns import empty_table
from datajob.formats._exact import common_type, exact_cast
from datajob.operators.table._connection import query
from datajob.operators.table._ordering import ROWS_PER_TABLE

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_JOINS = {
    "inner": "JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "full": "FULL JOIN",
    "semi": "SEMI JOIN",
    "anti": "ANTI JOIN",
}
_NONE = -1


class Matches(NamedTuple):
    """Positions of the left and right row of each row of the result; -1 stands for no row."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]


def complete(table: pa.Table, keys: Sequence[str]) -> NDArray[np.bool_]:
    """True for the rows without a null in `keys`."""
    import numpy as np

    found: NDArray[np.bool_] = np.logical_and.reduce([np.asarray(table.column(key).is_valid()) for key in keys])
    return found


def with_keys(table: pa.Table, keys: Sequence[str], other: pa.Table, other_keys: Sequence[str]) -> pa.Table:
    """`table`, or when not even its columns are known because it never had a row, no rows of keys like those of `other`."""
    import pyarrow as pa

    if table.num_columns or not other.num_columns:
        return table
    return empty_table(pa.schema([(key, other.field(like).type) for key, like in zip(keys, other_keys, strict=True)]))


def match(left: pa.Table, left_keys: Sequence[str], right: pa.Table, right_keys: Sequence[str], how: str) -> Matches:
    """The rows of a join, in the order of the left rows, then of the right ones; right rows without a match come last.

    Keys are compared by their 128-bit hash, so any type will do and only numbers move. Raises InvalidJob when the
    types of two keys cannot be equal.
    """
    import numpy as np

    for left_key, right_key in zip(left_keys, right_keys, strict=True):
        left = _without_null_types(left, left_key, right.field(right_key).type)
        right = _without_null_types(right, right_key, left.field(left_key).type)
        _refuse_unlike(left.field(left_key), right.field(right_key))
    one_sided = how in ("semi", "anti")
    wanted = "l.place AS l, NULL::BIGINT AS r" if one_sided else "l.place AS l, r.place AS r"
    found: Any = query(
        f"SELECT {wanted} FROM lefts AS l {_JOINS[how]} rights AS r "  # noqa: S608 (no word of a user in it)
        f"ON l.high = r.high AND l.low = r.low ORDER BY l.place NULLS LAST{'' if one_sided else ', r.place'}",
        lefts=_hashed(left, left_keys),
        rights=_hashed(right, right_keys),
    )
    return Matches(*(np.asarray(found.column(side).fill_null(_NONE)) for side in ("l", "r")))


def glue(left: pa.Table, right: pa.Table, at: Matches, names: Mapping[str, str], keys: Mapping[str, str]) -> Iterator[pa.Table]:
    """The left columns and those of `names` (right name to new name) at the matched rows, a piece at a time.

    A key column (`keys`: left name to right name; empty if all rows of the result have a left row) has the right value
    where there is no left row, and a type that holds both.
    """
    for left_key, right_key in keys.items():
        left, right = _of_one_type(left, left_key, right, right_key)
    for start in range(0, len(at.left), ROWS_PER_TABLE):
        piece = Matches(*(side[start : start + ROWS_PER_TABLE] for side in at))
        table = _take(left, piece.left)
        if names:
            added = _take(right.select([*names]), piece.right)
            for column, name in names.items():
                table = table.append_column(name, added.column(column))
        yield _fill_keys(table, right, piece, keys) if (piece.left == _NONE).any() else table


def _fill_keys(table: pa.Table, right: pa.Table, at: Matches, keys: Mapping[str, str]) -> pa.Table:
    """`table` with the keys of the right rows where there is no left row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    alone: Any = pa.array(at.left == _NONE)
    for left_key, right_key in keys.items():
        place = table.column_names.index(left_key)
        column = table.column(place)
        other = _take(right.select([right_key]), at.right).column(0)
        table = table.set_column(place, left_key, pc.if_else(alone, other, column))
    return table


def _of_one_type(left: pa.Table, left_key: str, right: pa.Table, right_key: str) -> tuple[pa.Table, pa.Table]:
    """Both tables with one type for their key. Raises InvalidJob when no type holds the values of both exactly."""
    import pyarrow as pa

    kinds = [left.field(left_key).type, right.field(right_key).type]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    try:
        common = kinds[0] if kinds[0] == kinds[1] else common_type(*plain)
        found = [
            table.set_column(table.column_names.index(key), key, exact_cast(table.column(key), common))
            for table, key in ((left, left_key), (right, right_key))
        ]
    except pa.ArrowException as error:
        raise InvalidJob(
            f"`join` cannot combine the keys `{left_key}` ({kinds[0]}) and `{right_key}` ({kinds[1]}) in one column without "
            f"changing a value{private(f' ({error})')}; `cast` one of them before this step or in a separate job."
        ) from error
    return found[0], found[1]


def _take(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    import pyarrow as pa

    indices: Any = pa.array(rows, mask=rows == _NONE)
    return table.take(indices)


def _hashed(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Hash and place of each row; the hash is null, which equals nothing, where a key is."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.hashing.rows import hash_rows

    hashes, incomplete = hash_rows(table, keys), ~complete(table, keys)
    high, low = (pa.array(lane, mask=incomplete) for lane in hashes)
    columns: dict[str, Any] = {"high": high, "low": low, "place": np.arange(len(table))}
    return pa.table(columns)


def _without_null_types(table: pa.Table, key: str, like: pa.DataType) -> pa.Table:
    """The table with the types of `like` for the parts of a key that only hold nulls."""
    kind = _filled(table.field(key).type, like)
    if kind == table.field(key).type:
        return table
    return table.set_column(table.column_names.index(key), key, table.column(key).cast(kind))


def _filled(kind: pa.DataType, like: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    t = pa.types
    if t.is_null(kind):
        return like
    if t.is_struct(kind) and t.is_struct(like) and [f.name for f in kind.fields] == [f.name for f in like.fields]:
        return pa.struct([(a.name, _filled(a.type, b.type)) for a, b in zip(kind.fields, like.fields, strict=True)])
    if t.is_list(kind) and t.is_list(like):
        return pa.list_(_filled(kind.value_type, like.value_type))
    return kind


def _refuse_unlike(left: pa.Field[Any], right: pa.Field[Any]) -> None:
    if _kind(left.type) != _kind(right.type):
        raise InvalidJob(
            f"`join` compares `{left.name}` of type {left.type} with `{right.name}` of type {right.type}, which are "
            "never equal; `cast` one of them before this step or in a separate job."
        )


def _kind(kind: pa.DataType) -> object:
    """What types have in common whose values can be equal."""
    import pyarrow as pa

    t = pa.types
    if t.is_dictionary(kind):
        return _kind(kind.value_type)
    if t.is_integer(kind) or t.is_floating(kind):
        return "number"
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return "text"
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind) or t.is_binary_view(kind):
        return "bytes"
    if t.is_timestamp(kind):
        return "timestamp", kind.tz is None
    if t.is_date(kind) or t.is_time(kind) or t.is_duration(kind):
        return str(kind)[:4]
    return kind
