"""Evaluates SQL expressions over the rows of an Arrow table.

Only the columns that the expressions read are passed to DuckDB, without a copy. A statement is prepared once per set of
expressions and schema; the overhead per batch is then a fraction of a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.operators.columns import require
from datajob.operators.table._connection import connection, quoted
from datajob.operators.table._expression import Expression, parse
from datajob.operators.table._implicit_casts import exact
from datajob.operators.table._sql_types import for_expressions, with_json

if TYPE_CHECKING:
    import pyarrow as pa

_local = threading.local()
_MOST_PREPARED = 256
_ROWS_PER_CHUNK = 1 << 20
_UNSIGNED_128 = "UHUGEINT"
"""DuckDB exports this type as a signed decimal: large values would become negative."""


class _Rows:
    """The view that a prepared statement reads: its current table."""

    def __init__(self, table: pa.Table) -> None:
        self.table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        table: Any = self.table
        return table.__arrow_c_stream__(requested_schema)


class _Prepared:
    """Expressions bound to one schema."""

    def __init__(self, name: str, expressions: Sequence[Expression], table: pa.Table) -> None:
        import duckdb

        self.name = name
        self._texts = ", ".join(f"`{e.text}`" for e in expressions)
        self.rows = _Rows(table)
        texts = [exact(e.text, table.schema) for e in expressions]
        wanted = ", ".join(f"({text}\n) AS {quoted(str(i))}" for i, text in enumerate(texts))
        con = connection()
        con.register(f"rows_{name}", self.rows)
        try:
            con.execute(f"PREPARE {name} AS SELECT {wanted} FROM rows_{name}")  # noqa: S608 (parsed and checked before)
        except duckdb.Error as error:  # no row was read yet: the expression itself does not fit the columns
            con.unregister(f"rows_{name}")
            raise InvalidJob(f"{self._texts} cannot be evaluated: {str(error).splitlines()[0]}") from error

    def run(self, table: pa.Table) -> pa.Table:
        """The results, one column per expression."""
        import pyarrow as pa

        self.rows.table = table
        try:
            result: Any = connection().execute(f"EXECUTE {self.name}")
            if any(_UNSIGNED_128 in str(column[1]) for column in result.description):
                raise InvalidJob(f"{self._texts}: Arrow has no type for UHUGEINT; cast to VARCHAR or HUGEINT.")
            read: pa.Table = result.to_arrow_reader(_ROWS_PER_CHUNK).read_all()
            _refuse_39_digits(read)
            kinds = [kind for _, kind, *_ in result.description]
            return pa.table([with_json(c, k) for c, k in zip(read.columns, kinds, strict=True)], names=read.column_names)
        finally:
            self.rows.table = None

    def close(self) -> None:
        """Release the statement."""
        connection().execute(f"DEALLOCATE {self.name}")
        connection().unregister(f"rows_{self.name}")


def evaluate(table: pa.Table, texts: Sequence[str]) -> list[pa.ChunkedArray[Any]]:
    """The value of each expression for each row of `table`.

    Raises InvalidJob if an expression does not suit the columns, and the error of DuckDB if it fails for the value of a
    row, for example in a cast.
    """
    expressions = [parse(text) for text in texts]
    for e in expressions:
        require(e.columns, table.column_names, f"`{e.text}`")
    found: dict[str, pa.ChunkedArray[Any]] = {e.text: table.column(e.column) for e in expressions if e.column}
    rest = [e for e in dict.fromkeys(expressions) if not e.column]
    if rest:
        result = _query(table, rest)
        found |= {e.text: result.column(i) for i, e in enumerate(rest)}
    return [found[e.text] for e in expressions]


def _query(table: pa.Table, expressions: Sequence[Expression]) -> pa.Table:
    import pyarrow as pa

    columns = list(dict.fromkeys(c for e in expressions for c in e.columns))
    _refuse_same_but_for_case(columns)
    # without columns, constants still need one result per row
    read = {name: for_expressions(table.column(name)) for name in columns}
    needed = pa.table(read) if columns else pa.table({"": pa.nulls(table.num_rows, pa.int8())})
    return _prepare(expressions, needed).run(needed)


def _prepare(expressions: Sequence[Expression], table: pa.Table) -> _Prepared:
    known: dict[Any, _Prepared] = _local.__dict__.setdefault("known", {})
    key = (tuple(e.text for e in expressions), table.schema)
    if key not in known:
        if len(known) >= _MOST_PREPARED:
            known.pop(next(iter(known))).close()
        _local.count = getattr(_local, "count", 0) + 1
        known[key] = _Prepared(f"p{_local.count}", expressions, table)
    return known[key]


def _refuse_39_digits(table: pa.Table) -> None:
    """Raises ArrowInvalid for a HUGEINT of 39 digits, which does not fit the decimal that DuckDB exports it as."""
    for column in table.columns:
        if "decimal" in str(column.type):  # possibly within a list or struct
            column.validate(full=True)


def _refuse_same_but_for_case(columns: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in columns:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise InvalidJob(
                f"SQL does not distinguish the columns `{other}` and `{name}`; `rename` one of them before this step."
            )
