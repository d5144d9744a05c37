"""sentenceEndRatio: keep rows by the ratio of sentences with an end mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._measure import TextMeasure

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

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.kernels.parts import EMPTY, MARKED, marks_at_ends
        from datajob.operators.kernels.sentences import split_sentences
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import frozen, text_of
        from datajob.operators.strings.words import sums

        text = text_of(batch, self.column)
        size = int(text.offsets[-1] - text.offsets[0])
        rows, starts, stops = np.empty(len(batch) + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
        found = split_sentences(text, classes(), rows, starts, stops)
        ends = np.empty(found, np.int8)
        marks_at_ends(text, classes(), frozen(starts[:found], "i8"), frozen(stops[:found], "i8"), ends)
        return share(sums(ends == MARKED, rows), sums(ends != EMPTY, rows))
