"""join: join the rows of the job with those of a second source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.errors import InvalidJob
from datajob.formats.source import Source
from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Join(base.Repartition):
    """Join the rows of the job (left) with those of a second source (right) on key columns.

    Null never matches. A row that matches several rows of the other side appears once with each of them. The key columns
    of the right side are not repeated in the result.

    Example:

        - join:
            right: {csv: {paths: [languages.csv]}}
            leftBy: [lang]
            rightBy: [code]
            how: left
    """

    right: Source = Field(description="Source of the right side: exactly one reader key.")
    # not `on`, which YAML reads as true
    by: Columns | None = Field(default=None, description="Key columns, if they have the same names on both sides.")
    left_by: Columns | None = Field(default=None, description="Key columns of the left side, in the order of `rightBy`.")
    right_by: Columns | None = Field(default=None, description="Key columns of the right side.")
    how: Literal["inner", "left", "right", "full", "semi", "anti"] = Field(
        default="inner",
        description="Rows to keep. `inner`: matching rows. `left`, `right`, `full`: also the unmatched rows of that side, or "
        "of both sides, with nulls for the other side. `semi`: left rows with a match, each once. `anti`: left rows without "
        "a match.",
    )
    suffix: str = Field(
        default="_right", min_length=1, description="Suffix for right columns whose name also exists on the left side."
    )

    @model_validator(mode="after")
    def _keys_of_both_sides(self) -> Self:
        if (self.by is None) == (self.left_by is None and self.right_by is None):
            raise ValueError("set either `by`, or both `leftBy` and `rightBy`")
        if len(self.keys(0)) != len(self.keys(1)):
            raise ValueError(f"`leftBy` has {len(self.keys(0))} columns, but `rightBy` has {len(self.keys(1))}")
        return self

    def keys(self, source: int) -> base.Order:
        """The key columns of the left side (0) or the right side (1)."""
        return self.by or (self.right_by if source else self.left_by) or ()

    def inputs(self) -> base.Order:
        """The key columns of the left side."""
        return self.keys(0)

    def outputs(self, columns: base.Order) -> base.Order | None:
        """The left columns, then the columns that the right side adds; None if those are unknown before reading."""
        if self.how in ("semi", "anti"):
            return columns
        reader = self.side_sources()[0]
        known = reader.known_columns()
        if known is None:
            return None
        return (*columns, *self._right_names(columns, tuple(dict.fromkeys((*known, *reader.columns_of_job())))).values())

    def side_sources(self) -> tuple[Any, ...]:
        """The reader of the right side."""
        right: Any = self.right
        return (right.chosen,)

    def compares(self, source: int) -> base.Order:
        """The key columns."""
        return self.keys(source)

    def prepare(self, batch: base.Batch, source: int) -> pa.Table:
        """The rows and right columns that can appear in the result."""
        import pyarrow as pa

        from datajob.operators.table._matching import complete

        table, keys = batch.table, self.keys(source)
        require(keys, table.column_names, f"`join` ({'right' if source else 'left'} side)")
        if source and self.how in ("semi", "anti"):
            table = table.select(list(dict.fromkeys(keys)))
        if self._keeps_unmatched(source):
            return table
        return table.filter(pa.array(complete(table, keys)))

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """Rows with equal keys share a partition; rows with a null key, which match nothing, are spread evenly."""
        import numpy as np

        from datajob.operators.hashing.rows import hash_rows, partition_of
        from datajob.operators.table._matching import complete

        found = partition_of(hash_rows(prepared.table, self.keys(source)).high, partitions)
        return np.where(complete(prepared.table, self.keys(source)), found, np.arange(len(prepared)) % partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The joined rows of the partition: left rows in order, each with its matches in order, then unmatched right rows."""
        from datajob.operators.table._matching import glue, match, with_keys

        left = with_keys(inputs[0], self.keys(0), inputs[1], self.keys(1))
        right = with_keys(inputs[1], self.keys(1), inputs[0], self.keys(0))
        at = match(left, self.keys(0), right, self.keys(1), self.how)
        names = {} if self.how in ("semi", "anti") else self._right_names(left.column_names, right.column_names)
        keys = dict(zip(self.keys(0), self.keys(1), strict=True)) if self._keeps_unmatched(1) else {}
        yield from glue(left, right, at, names, keys)

    def _keeps_unmatched(self, source: int) -> bool:
        return self.how in (("left", "full", "anti"), ("right", "full"))[source]

    def _right_names(self, left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
        """The columns that the right side adds, with their names in the result."""
        names = {c: f"{c}{self.suffix}" if c in left else c for c in right if c not in self.keys(1)}
        for column, name in names.items():
            if name in left or list(names.values()).count(name) > 1:
                raise InvalidJob(
                    f"`join` would create two columns named `{name}` (right column `{column}`); set another `suffix`."
                )
        return names
