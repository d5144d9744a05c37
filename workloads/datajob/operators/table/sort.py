"""sort: puts the rows in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FEWEST_SAMPLES, ROWS_PER_SAMPLE = 16, 256


class Sort(base.Repartition):
    """Sort all rows by some columns; nulls come last, rows that are equal keep their order.

    The files of the result, by name, hold the rows in order. Text is ordered by code points.

    Example:

        - sort: {by: [score, id], descending: [score]}
    """

    by: Columns = Field(description="Columns to sort by, the most important first.")
    descending: Columns | None = Field(default=None, description="Those of `by` that run from high to low.")

    @model_validator(mode="after")
    def _descending_is_sorted_by(self) -> Self:
        for name in self.descending or ():
            if name not in self.by:
                raise ValueError(f"`descending` names `{name}`, which is not in `by`")
        return self

    def sample(self, batch: base.Batch) -> pa.Table | None:
        """Keys of rows at even distances."""
        import numpy as np

        keys = self._keys(batch.table)
        count = min(len(keys), max(FEWEST_SAMPLES, len(keys) // ROWS_PER_SAMPLE))
        return keys.take(np.linspace(0, len(keys) - 1, count).astype(np.int64))

    def route(self, table: pa.Table, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Ranges of the sorted order."""
        import numpy as np

        from datajob.operators.table._ordering import range_of

        if samples is None or len(samples) == 0 or partitions == 1:
            return np.zeros(len(table), np.int64)
        return range_of(self._keys(table), samples, partitions, self.descending or ())

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The rows of a range in order."""
        from datajob.operators.table._ordering import in_order, sorted_rows

        if len(inputs[0]):
            yield from in_order(inputs[0], sorted_rows(self._keys(inputs[0]), self.descending or ()))

    def _keys(self, table: pa.Table) -> pa.Table:
        from datajob.operators.table._ordering import sort_keys

        require(self.by, table.column_names, "`sort`")
        return sort_keys(table, tuple(dict.fromkeys(self.by)))
