"""The rows with the highest scores of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from datajob.media.values import is_list
from datajob.operators.ranks import Highest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class TopScores(Highest):
    """Keep the rows with the highest scores. Of a list of scores, the highest one counts, or the lowest."""

    key: ClassVar[str] = "top"
    abstract: ClassVar[bool] = True

    lowest_counts: bool = False

    def ranks(self, batch: Batch) -> NDArray[np.float64]:
        """The score of each row; NaN for an empty list."""
        import numpy as np

        column = batch.array(self.by)
        if not is_list(column.type):
            return super().ranks(batch)
        choose = min if self.lowest_counts else max
        return np.array([choose(scores, default=np.nan) if scores else np.nan for scores in column.to_pylist()], np.float64)
