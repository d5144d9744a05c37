"""split: assign each row to a part, such as train or validation."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa


class Split(base.Map):
    """Assign each row to one of several parts, such as train and validation, by a hash of its content.

    A row stays in its part when other rows are added or removed, and equal rows are assigned to the same part.

    Example:

        - split: {parts: {train: 0.98, validation: 0.01, test: 0.01}, by: [id]}
    """

    infallible: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    parts: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={"train": 0.9, "val": 0.1},
        min_length=1,
        description="Fraction of the rows of each part, by name; the sum is 1.",
    )
    column: NewColumn = Field(default="split", description="Column for the name of the part.")
    by: Columns | None = Field(
        default=None,
        description="Columns that the decision depends on, such as an ID; all by default. "
        "Rows with equal values are assigned to the same part.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of the hash.")

    @field_validator("parts")
    @classmethod
    def _together_one(cls, parts: dict[str, float]) -> dict[str, float]:
        if not isclose(sum(parts.values()), 1, abs_tol=1e-6):
            raise ValueError(f"the fractions must add up to 1, but their sum is {sum(parts.values()):g}")
        return parts

    def compared(self) -> base.Order:
        """None: the hashes of stored bytes are those of the bytes."""
        return ()

    def apply(self, batch: base.Batch) -> pa.Table:
        """The table with the names of the parts."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.hashing.rows import draw, share

        table = batch.table
        require(self.by or (), table.column_names, "`split`")
        ends = np.cumsum(list(self.parts.values()))[:-1]
        part = np.searchsorted(ends, share(draw(table, self.by, self.seed, self.salt)), side="right")
        names = pa.array(list(self.parts), pa.string()).take(part)
        at = table.schema.get_field_index(self.column)
        return table.append_column(self.column, names) if at < 0 else table.set_column(at, self.column, names)
