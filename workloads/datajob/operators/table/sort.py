"""sort: sort the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MIN_SAMPLES, ROWS_PER_SAMPLE = 16, 256


class Sort(base.Repartition):
    """Sort all rows by one or more columns; nulls come last, and equal rows keep their order.

    The files of the result hold the rows in order when sorted by name. Text is compared by code points.

    Example:

        - sort: {by: [score, id], descending: [score]}
    """

    keeps_rows: ClassVar[bool] = True

    by: Columns = Field(description="Columns to sort by, most significant first.")
    descending: Columns | None = Field(default=None, description="Columns of `by` to sort in descending order.")

    @model_validator(mode="after")
    def _descending_is_sorted_by(self) -> Self:
        for name in self.descending or ():
            if name not in self.by:
                raise ValueError(f"`descending` contains `{name}`, which is not in `by`")
        return self

    def compares(self, source: int) -> base.Order:
        """The columns to sort by."""
        return self.by

    def sample(self, batch: base.Batch) -> pa.Table | None:
        """The keys of evenly spaced rows."""
        import numpy as np

        keys = self._keys(batch.table)
        count = min(len(keys), max(MIN_SAMPLES, len(keys) // ROWS_PER_SAMPLE))
        return keys.take(np.linspace(0, len(keys) - 1, count).astype(np.int64))

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Each partition is a range of the sorted order."""
        import numpy as np

        from datajob.operators.table._ordering import range_of

        if samples is None or len(samples) == 0 or partitions == 1:
            return np.zeros(len(prepared), np.int64)
        return range_of(self._keys(prepared.table), samples, partitions, self.descending or ())

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The rows of a range, sorted."""
        from datajob.operators.table._ordering import in_order, sorted_rows

        if len(inputs[0]):
            yield from in_order(inputs[0], sorted_rows(self._keys(inputs[0]), self.descending or ()))

    def _keys(self, table: pa.Table) -> pa.Table:
        from datajob.operators.table._ordering import sort_keys

        require(self.by, table.column_names, "`sort`")
        return sort_keys(table, tuple(dict.fromkeys(self.by)))
