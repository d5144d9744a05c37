"""sentenceEndRatio: keep rows by the ratio of sentences with an end mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._measure import TextMeasure
from datajob.operators.text._sentences import Abbreviations, sentences_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class SentenceEndRatio(TextMeasure):
    """Keep rows by the ratio of sentences that end in an end mark of any script rather than at a newline.

    Sentences are those of `sentenceSplit`. Closing quotation marks and brackets after the mark are allowed. The default is
    that of NeMo Curator, which rejects texts with more than 85% of sentences without an end mark.

    Example:

        - sentenceEndRatio: {min: 0.3}
    """

    min: float = Field(default=0.15, ge=0, description="Minimum ratio.")
    abbreviations: Abbreviations = ()

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.kernels.parts import EMPTY, MARKED, marks_at_ends
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import frozen, text_of
        from datajob.operators.strings.words import sums

        rows, starts, stops = sentences_of(batch, self.column, self.abbreviations)
        ends = np.empty(len(starts), np.int8)
        marks_at_ends(text_of(batch, self.column), classes(), frozen(starts, "i8"), frozen(stops, "i8"), ends)
        return share(sums(ends == MARKED, rows), sums(ends != EMPTY, rows))
