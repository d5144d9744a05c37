"""urlRatio: keep rows by the ratio of URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class UrlRatio(TextMeasure):
    """Keep rows by the ratio of bytes that belong to URLs.

    URLs are those of `removeUrls`. The default is that of NeMo Curator.

    Example:

        - urlRatio: {max: 0.1}
    """

    max: float = Field(default=0.2, ge=0, description="Maximum ratio.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.strings.column import text_of
        from datajob.operators.strings.words import sums
        from datajob.operators.text._patterns import URL
        from datajob.operators.text._spans import spans_of

        text = text_of(batch, self.column)
        spans = spans_of(batch, self.column, (URL,))
        return share(sums(spans.ends - spans.starts, spans.rows), np.diff(text.offsets))
