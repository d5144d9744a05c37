"""join: columns of further rows that agree in some columns."""

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
    """Bring together the rows of the job (left) and those of a further source (right) that agree in some columns.

    Null agrees with nothing. A row that agrees with several on the other side appears with each of them. The key
    columns of the right side are not repeated in the result.

    Example:

        - join:
            right: {csv: {paths: [languages.csv]}}
            leftBy: [lang]
            rightBy: [code]
            how: left
    """

    right: Source = Field(description="Where the other rows come from: exactly one reader key.")
    # not `on`, which YAML reads as true
    by: Columns | None = Field(default=None, description="Columns that must agree, where both sides call them the same.")
    left_by: Columns | None = Field(
        default=None, description="Columns of the left side that must agree with those of `rightBy`, in order."
    )
    right_by: Columns | None = Field(default=None, description="Columns of the right side.")
    how: Literal["inner", "left", "right", "full", "semi", "anti"] = Field(
        default="inner",
        description="Rows to keep: `inner`: those that agree; `left`, `right`, `full`: also those of that side, or of both, "
        "that agree with nothing, with nulls for the other side; `semi`: left rows that agree with something, each once; "
        "`anti`: left rows that agree with nothing.",
    )
    suffix: str = Field(
        default="_right", min_length=1, description="Added to the name of a right column that the left side has too."
    )

    @model_validator(mode="after")
    def _keys_of_both_sides(self) -> Self:
        if (self.by is None) == (self.left_by is None and self.right_by is None):
            raise ValueError("needs either `by` or both `leftBy` and `rightBy`")
        if len(self.keys(0)) != len(self.keys(1)):
            raise ValueError(f"`leftBy` names {len(self.keys(0))} columns, `rightBy` {len(self.keys(1))}")
        return self

    def keys(self, source: int) -> base.Order:
        """The columns that must agree, of the left side (0) or the right (1)."""
        return self.by or (self.right_by if source else self.left_by) or ()

    def inputs(self) -> base.Order:
        """The key columns of the left side."""
        return self.keys(0)

    def outputs(self, columns: base.Order) -> base.Order | None:
        """The left columns, then the others of the right side; None when those are not known before reading."""
        if self.how in ("semi", "anti"):
            return columns
        reader = self.side_sources()[0]
        known = reader.known_columns()
        if known is None:
            return None
        path = (reader.include_path,) if reader.include_path else ()
        return (*columns, *self._right_names(columns, tuple(dict.fromkeys((*known, *path)))).values())

    def side_sources(self) -> tuple[Any, ...]:
        """The reader of the right side."""
        right: Any = self.right
        return (right.chosen,)

    def prepare(self, batch: base.Batch, source: int) -> pa.Table:
        """The rows that can appear in the result, and the columns of the right side that do."""
        import pyarrow as pa

        from datajob.operators.table._matching import complete

        table, keys = batch.table, self.keys(source)
        require(keys, table.column_names, f"`join` ({'right' if source else 'left'} side)")
        if source and self.how in ("semi", "anti"):
            table = table.select(list(dict.fromkeys(keys)))
        if self._keeps_unmatched(source):
            return table
        return table.filter(pa.array(complete(table, keys)))

    def route(self, table: pa.Table, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """By the hash of the keys; rows with a null in them match nothing and are spread evenly."""
        import numpy as np

        from datajob.operators.hashing.rows import hash_rows, partition_of
        from datajob.operators.table._matching import complete

        found = partition_of(hash_rows(table, self.keys(source)).high, partitions)
        return np.where(complete(table, self.keys(source)), found, np.arange(len(table)) % partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The rows of the partition: left rows in their order, each with its matches in theirs, then unmatched right rows."""
        from datajob.operators.table._matching import glue, match, with_keys

        left = with_keys(inputs[0], self.keys(0), inputs[1], self.keys(1))
        right = with_keys(inputs[1], self.keys(1), inputs[0], self.keys(0))
        at = match(left, self.keys(0), right, self.keys(1), self.how)
        names = {} if self.how in ("semi", "anti") else self._right_names(left.column_names, right.column_names)
        yield from glue(left, right, at, names, dict(zip(self.keys(0), self.keys(1), strict=True)))

    def _keeps_unmatched(self, source: int) -> bool:
        return self.how in (("left", "full", "anti"), ("right", "full"))[source]

    def _right_names(self, left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
        """The columns that the right side adds, and their names in the result."""
        names = {c: f"{c}{self.suffix}" if c in left else c for c in right if c not in self.keys(1)}
        for column, name in names.items():
            if name in left or list(names.values()).count(name) > 1:
                raise InvalidJob(
                    f"`join` would make two columns called `{name}` (right column `{column}`); set another `suffix`."
                )
        return names
