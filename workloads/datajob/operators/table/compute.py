"""compute: add or replace columns with SQL expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators import base
from datajob.operators.table._expression import SqlExpression, columns_of

if TYPE_CHECKING:
    import pyarrow as pa


class Compute(base.Map):
    """Add or replace columns with SQL expressions over the row.

    Expressions use the SQL dialect of DuckDB. Every expression uses the row as it was before the step, so a column that
    is added here can be used from the next step on. `length(text)` counts code points, as Python's `len` does,
    `length_grapheme(text)` counts user-perceived characters, and `strlen(text)` counts bytes. `/` is floating-point division
    (by zero: inf or nan), `//` is the integer division of integers (by zero: the row fails). `try_cast(a AS BIGINT)` and
    `try(...)` return null where the plain form fails the row.

    Values of two types are converted to one where they are compared or combined, as in `a = b`, `coalesce(a, b)`, `CASE`,
    `greatest(a, b)` or `[a, b]`. A row fails if that would change its value, such as an integer above 2^53 that becomes a
    double, or the text `1.5` that becomes an integer; a constant such as `id = '1.5'` is an error of the job. Arithmetic and
    functions of doubles, such as `a * 0.5` or `sqrt(a)`, round as usual, and so does an explicit `CAST`. Times without a
    time zone count as UTC where they are compared with times that have one. JSON functions read fractions as doubles.

    Example:

        - compute:
            columns:
              characters: "length(text)"
              host: "regexp_extract(url, 'https?://([^/]+)', 1)"
    """

    columns: dict[str, SqlExpression] = Field(min_length=1, description="SQL expression of each column, by column name.")

    def inputs(self) -> base.Order:
        """The columns that the expressions read."""
        return columns_of(tuple(self.columns.values()))

    def written(self) -> base.Order:
        """The computed columns."""
        return tuple(self.columns)

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table with the computed columns."""
        from datajob.operators.table._sql import evaluate

        values = evaluate(batch.table, tuple(self.columns.values()))
        table = batch.table
        for name, value in zip(self.columns, values, strict=True):
            at = table.schema.get_field_index(name)
            table = table.append_column(name, value) if at < 0 else table.set_column(at, name, value)
        return table
