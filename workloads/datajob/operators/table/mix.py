"""mix: combine sources by weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.columns import require
from datajob.operators.table._mix_order import COPIES, POSITION, MixOrder
from datajob.operators.table._mixing import sizes_of
from datajob.parameters import Column, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Members(NamedTuple):
    """The rows of a batch as members of sources."""

    source: NDArray[np.int64]
    """The number of the source in `weights`; -1 if it is not there."""
    size: NDArray[np.int64]
    """Tokens, or 1."""
    key: NDArray[np.uint64]
    """Rows with the lowest numbers are taken."""


class Mix(base.Global):
    """Combine sources so that each has a given share of the result, in rows or tokens, and put the rows in a random order.

    `weights` contains the share of each source, by its value in `column`, which `addColumns` of a source can set. By default,
    the result is the largest mixture without repetition: it ends when the first source is exhausted. `stop: allExhausted`
    repeats smaller sources until every row of every source is in the result; `total` sets the size instead. Which rows are
    taken and repeated depends only on their content and `seed`. Rows that are not taken are rejected as `mix`, and rows of
    other sources as `noWeight`.

    The report contains the requested and the reached share, the number of rows and tokens, and the epochs of each source.
    Because the order is random, each part of the result contains about these shares. A job whose mixture is impossible ends
    with an error, such as a source without rows, or more repetition than `maxEpochs`.

    Example:

        - mix: {weights: {web: 0.7, code: 0.2, math: 0.1}, tokens: input_ids}
    """

    draws: ClassVar[bool] = True

    weights: dict[str, Annotated[float, Field(gt=0, le=1e9)]] = Field(
        min_length=1, max_length=64, description="Weight of each source; shares are weights divided by their sum."
    )
    column: Column = Field(default="source", description="Column with the source of a row.")
    tokens: Column | None = Field(
        default=None,
        description="Column of token lists, or of numbers of tokens, to which the shares refer. By default, shares of rows.",
    )
    stop: Literal["firstExhausted", "allExhausted"] = Field(
        default="firstExhausted", description="End of the mixture without `total`. Only `allExhausted` repeats rows by default."
    )
    total: int | None = Field(default=None, ge=1, le=2**53, description="Rows or tokens of the result, instead of `stop`.")
    max_epochs: float | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="How often a source can be repeated. Defaults to 1, or to no limit for `allExhausted`.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of the random numbers.")
    by: Columns | None = Field(
        default=None,
        description="Columns that determine the random numbers of a row, such as an ID; all by default. Few are faster.",
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.total is not None and self.stop == "allExhausted":
            raise ValueError("`total` and `stop: allExhausted` both set the size of the result; remove one of them")
        return self

    def compared(self) -> base.Order:
        """Those with the source and the tokens. The hashes of stored bytes are those of the bytes."""
        return tuple(filter(None, (self.column, self.tokens)))

    def expanded(self) -> tuple[base.Operator, ...]:
        """The selection of the rows, and their order."""
        return self, MixOrder(seed=self.seed, by=self.by, salted=f"{self.salt}-order")

    def members(self, batch: base.Batch) -> Members:
        """What determines whether rows are taken. Fails rows with an invalid number of tokens."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from datajob.operators.hashing.rows import draw
        from datajob.operators.table._token_columns import source_names

        require(self.inputs(), batch.table.column_names, "`mix`")
        if reserved := {COPIES, POSITION} & set(batch.table.column_names):
            raise InvalidJob(f"`mix` needs the name of the column `{min(reserved)}` itself; rename the column.")
        names = pa.array(list(self.weights))
        found = pc.index_in(source_names(batch.array(self.column), self.column), names).fill_null(-1)
        key = draw(batch.table, self.by, self.seed, self.salt)
        return Members(np.asarray(found, np.int64), self._sizes(batch), key)

    def _sizes(self, batch: base.Batch) -> NDArray[np.int64]:
        import numpy as np

        from datajob.operators.table._token_columns import token_sizes

        if self.tokens is None:
            return np.ones(len(batch), np.int64)
        sizes = token_sizes(batch.array(self.tokens), self.tokens)
        for row in np.flatnonzero(sizes < 0).tolist():
            batch.fail(row, f"invalidTokens: `{self.tokens}` is negative")
        return np.maximum(sizes, 0)

    def sizes(self, available: Sequence[int], others: int) -> list[int]:
        """Rows or tokens of each source in the result. `others` is the number of rows of other sources.

        Raises InvalidJob if the mixture is impossible.
        """
        unit = "token" if self.tokens else "row"
        if not any(available) and not others and self.total is None:
            return [0] * len(available)
        for name, size in zip(self.weights, available, strict=True):
            if not size:
                raise InvalidJob(
                    f"`mix`: no {unit} has the source `{name}` in column `{self.column}`. Correct the name in `weights`, or "
                    "remove it."
                )
        sizes = sizes_of(list(self.weights.values()), available, self.total, self.max_epochs, self.stop == "allExhausted")
        most = self.max_epochs or (None if self.stop == "allExhausted" else 1.0)
        for name, size, wanted in zip(self.weights, available, sizes, strict=True):
            if most is not None and wanted > most * size:
                raise InvalidJob(
                    f"`mix`: source `{name}` has {size:,} {unit}s, but the mixture needs {wanted:,}. These are "
                    f"{wanted / size:.2f} epochs, and `maxEpochs` is {most:g}. Increase it, or reduce the weight of the source"
                    f"{' or `total`' if self.total else ''}."
                )
        return sizes
