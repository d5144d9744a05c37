"""Base of the steps that keep the rows with the highest values, as a fraction or a number of all rows."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from datajob.errors import InvalidJob
from datajob.formats._exact import EXACT
from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DIGITS = 15
"""Different decimals of up to this number of digits have different doubles."""


class Highest(base.Ranking):
    """Keep the rows with the highest values of a column."""

    abstract: ClassVar[bool] = True

    by: Column = Field(description="Column of numbers.")
    fraction: float | None = Field(
        default=None, ge=0, le=1, description="Fraction of the rows that have a value; the number of rows is rounded up."
    )
    count: int | None = Field(default=None, ge=0, le=2**53, description="Number of rows to keep, instead of `fraction`.")
    lowest: bool = Field(default=False, description="Keep the rows with the lowest values instead.")

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.fraction is None) == (self.count is None):
            raise ValueError("set either `fraction` or `count`")
        return self

    def kept(self, rows: int) -> int:
        """The number of rows to keep of this number of rows with a value."""
        if self.count is not None:
            return min(self.count, rows)
        return ceil(Fraction(repr(self.fraction)) * rows)

    def ranks(self, batch: base.Batch) -> NDArray[np.float64]:
        """The values of the column, negated for `lowest`. Fails integers that no double represents exactly."""
        import numpy as np

        require((self.by,), batch.table.column_names, f"`{self.key}`")
        values = numbers(batch, self.by, self.key)
        return np.negative(values) if self.lowest else values


def numbers(batch: base.Batch, column: str, key: str) -> NDArray[np.float64]:
    """A column of numbers as doubles in the same order, NaN where it is null. Fails integers above 2^53 in magnitude."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as t

    array = batch.array(column)
    kind = array.type
    ordered = t.is_decimal(kind) and kind.precision <= _DIGITS
    if not (t.is_integer(kind) or t.is_floating(kind) or t.is_null(kind) or ordered):
        raise InvalidJob(
            f"`{key}` needs integers, floats or decimals of up to {_DIGITS} digits, but `{column}` contains {kind}. "
            f"Convert it first, for example with `cast: {{columns: {{{column}: double}}}}`."
        )
    if t.is_integer(kind):
        integers = np.asarray(array.fill_null(0))
        large = (integers > EXACT) | (integers < -EXACT) if t.is_signed_integer(kind) else integers > EXACT
        for row in np.flatnonzero(large).tolist():
            batch.fail(row, f"notExact: the integer in `{column}` exceeds 2^53 in magnitude, so it cannot be ranked exactly")
    return np.asarray(array.cast(pa.float64(), safe=False).fill_null(np.nan), dtype=np.float64)
