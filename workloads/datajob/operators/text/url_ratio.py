"""The share of URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.text._measure import Measure, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class UrlRatio(Measure):
    """Keeps texts by the share of their bytes that belong to URLs (`https://...` or `www...`, up to white space).

    The default is that of NeMo Curator.

    Example:

        - urlRatio: {max: 0.1}
    """

    max: float = Field(default=0.2, ge=0, description="Largest share kept.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The share of each row."""
        import numpy as np

        from datajob.operators.text._patterns import URL
        from datajob.operators.text._spans import spans_of
        from datajob.operators.text._text import text_of
        from datajob.operators.text._words import sums

        text = text_of(batch, self.column)
        spans = spans_of(batch, self.column, (URL,))
        return share(sums(spans.ends - spans.starts, spans.rows), np.diff(text.offsets))
