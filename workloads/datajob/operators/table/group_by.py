"""groupBy: aggregate groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Parameters, Reads

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Function = Literal["count", "sum", "min", "max", "mean", "std", "quantile", "first", "collect"]


class Aggregate(Parameters):
    """One value computed over the rows of a group."""

    function: Function = Field(
        description="Aggregate function. `count` counts rows, or the values of `column` that are not null. `std` is the sample "
        "standard deviation (n - 1), `first` the value of the first row, and `collect` a list of all values in input order. "
        "All functions but `first` and `collect` ignore nulls."
    )
    column: str | None = Field(
        default=None, min_length=1, description="Column to aggregate; required for all functions but `count`."
    )
    q: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Quantile to compute, such as 0.5 for the median. Interpolates between values, so the "
        "quantile of numbers is a double; integers and decimals that a double cannot represent exactly end the job.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.column is None and self.function != "count":
            raise ValueError(f"`{self.function}` needs a `column`")
        if (self.q is None) != (self.function != "quantile"):
            raise ValueError("`q` is required for `function: quantile` and not allowed for other functions")
        return self


class GroupBy(base.Repartition):
    """Create one row for each group of rows with equal values, with aggregates over the group; nulls form a separate group.

    Example:

        - groupBy:
            by: [lang]
            aggregates:
              documents: {function: count}
              median: {function: quantile, column: characters, q: 0.5}
    """

    by: Annotated[tuple[str, ...], Reads()] = Field(
        description="Columns that define the groups; empty for one group of all rows."
    )
    aggregates: dict[str, Aggregate] = Field(min_length=1, description="Aggregates to compute, by the name of the new column.")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for name in self.aggregates:
            if name in self.by:
                raise ValueError(f"`{name}` is already a column of `by`; choose another name for the aggregate")
        return self

    def inputs(self) -> base.Order:
        """The columns that define the groups and those that are aggregated."""
        return tuple(dict.fromkeys((*self.by, *(a.column for a in self.aggregates.values() if a.column))))

    def outputs(self, columns: base.Order) -> base.Order:
        """The columns that define the groups, then the aggregates."""
        return tuple(dict.fromkeys((*self.by, *self.aggregates)))

    def single_partition(self) -> bool:
        """True when all rows are one group."""
        return not self.by

    def compares(self, source: int) -> base.Order:
        """The columns that define the groups, and those of which more than single values are needed."""
        moved = ("first", "collect", "count")
        return (*self.by, *(a.column for a in self.aggregates.values() if a.column and a.function not in moved))

    def prepare(self, batch: base.Batch, source: int) -> pa.Table:
        """Partial aggregates of the batch: one row per group."""
        from datajob.operators.table._aggregates import partial

        require(self.inputs(), batch.table.column_names, "`groupBy`")
        return partial(batch.table, self.by, self.aggregates)

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Rows of one group share a partition, chosen by the hash of the group."""
        import numpy as np

        from datajob.operators.hashing.rows import hash_rows, partition_of

        if not self.by:
            return np.zeros(len(prepared), np.int64)
        return partition_of(hash_rows(prepared.table, self.by).high, partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The groups of the partition, sorted."""
        from datajob.operators.table._aggregates import is_partial, whole

        parts = inputs[0]
        if parts.num_columns and not is_partial(parts, self.by):  # without rows, nothing was prepared
            parts = self.prepare(base.Batch(parts), 0)
        if parts.num_columns:
            yield whole(parts, self.by, self.aggregates)
