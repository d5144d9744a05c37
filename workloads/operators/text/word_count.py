"""The number of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from workloads.operators.base import Filter, Verdict
from workloads.operators.text._measure import measured
from workloads.operators.text._words import Tokenizer, words_of
from workloads.parameters import Column, NewColumn

if TYPE_CHECKING:
    from workloads.operators.base import Batch


class WordCount(Filter):
    """Keeps texts whose number of words lies between two bounds; writes it when `output` names a column."""

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="The text.")
    tokenizer: Tokenizer = "unicode"
    min: int = Field(default=1, ge=0, description="Fewest words kept.")
    max: int = Field(default=100_000, ge=0, description="Most words kept.")
    output: NewColumn | None = Field(default=None, description="Column (int64) that gets the number of words.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np

        counts = np.diff(words_of(batch, self.column, self.tokenizer).rows)
        return measured(counts, self.min, self.max, ("too_few_words", "too_many_words"), self.output)
