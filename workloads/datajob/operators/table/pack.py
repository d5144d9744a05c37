"""pack: token lists as sequences of the length that a model is trained with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Column, NewColumn, TokenColumns

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Pack(base.Repartition):
    """Combine lists of tokens into sequences of a fixed length, for training without padding.

    A sequence contains the tokens of one or more rows, one after the other; put an end token after each row (`eos` of
    `tokenize`). All other columns are removed. With `bestFit`, no row is cut: each is put into the sequence with the least
    space that is sufficient, from the longest row to the shortest (best-fit decreasing), and sequences can be shorter than
    `length`. With `concat`, rows are joined and cut every `length` tokens; at most one sequence per partition is shorter.

    Rows are distributed over partitions by their tokens, so the result does not depend on the number of workers. Use
    `shuffle` before this step for a random order within a partition. Rows that are null or empty add nothing.

    Example:

        - pack: {length: 4096, lossMask: loss_mask}
    """

    draws: ClassVar[bool] = True

    length: int = Field(ge=1, le=1 << 24, description="Maximum number of tokens of a sequence.")
    column: Column = Field(default="input_ids", description="Column of token lists; replaced by the sequences.")
    loss_mask: Column | None = Field(
        default=None,
        description="Column of lists with one value per token, such as that of `tokenize`, to pack too.",
    )
    source: Column | None = Field(
        default=None, description="Column with the source of a row; the report then contains the tokens of each source."
    )
    mode: Literal["bestFit", "concat"] = Field(default="bestFit", description="How rows are combined.")
    long: Literal["fail", "truncate", "split"] = Field(
        default="fail",
        description="For `bestFit`: what happens to a row that is longer than `length`. `split` cuts it into several rows.",
    )
    lengths: NewColumn = Field(
        default="lengths", description="Column for the number of tokens of each row in a sequence, in order (list of int32)."
    )

    def outputs(self, columns: base.Order) -> base.Order:
        """The sequences, their masks and the lengths."""
        return (*self._packed(), self.lengths)

    def _packed(self) -> base.Order:
        """The columns of the sequences."""
        return (self.column, *((self.loss_mask,) if self.loss_mask else ()))

    def counted_tokens(self) -> TokenColumns:
        """The tokens of the rows, as far as they are in the sequences."""
        truncates = self.mode == "bestFit" and self.long == "truncate"
        return TokenColumns(self.column, self.source, self.length if truncates else None)

    def prepare(self, batch: base.Batch, source: int) -> pa.Table:
        """The tokens, without the rows that fail."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.table._packing import refusals

        require(self.inputs(), batch.table.column_names, "`pack`")
        for row, reason in refusals(batch, self.column, self.loss_mask, self._limit()):
            batch.fail(row, reason)
        table = batch.table.select(list(self._packed()))
        kept = np.ones(len(batch), bool)
        kept[list(batch.failures)] = False
        return table if kept.all() else table.filter(pa.array(kept))

    def _limit(self) -> int | None:
        return self.length if self.mode == "bestFit" and self.long == "fail" else None

    def route(self, prepared: base.Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """By the hash of the tokens."""
        from datajob.operators.hashing.rows import draw, partition_of

        return partition_of(draw(prepared.table, (self.column,), 0, self.salt), partitions)

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The sequences of a partition."""
        from datajob.operators.table._packing import best_fit, concatenated

        if not len(inputs[0]):
            return
        columns: list[Any] = [inputs[0].column(name) for name in self._packed()]
        if self.mode == "concat":
            yield from concatenated(columns, self._packed(), self.lengths, self.length)
        else:
            yield from best_fit(columns, self._packed(), self.lengths, self.length, truncate=self.long == "truncate")
