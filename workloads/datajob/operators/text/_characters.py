"""The number of characters of each class, counted once per batch for all operators that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.operators.strings.column import text_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class Characters(NamedTuple):
    """Per row, the number of code points, of letters, digits and marks, of decimal digits, of whitespace, of brackets."""

    points: NDArray[Any]
    alphanumeric: NDArray[Any]
    digits: NDArray[Any]
    space: NDArray[Any]
    brackets: NDArray[Any]

    @property
    def special(self) -> NDArray[Any]:
        """The number of characters that are not letters, digits, marks or whitespace."""
        import numpy as np

        return np.asarray(self.points - self.alphanumeric - self.space)


def characters_of(batch: Batch, column: str) -> Characters:
    """The counts of the column; 0 in rows that are not alive."""

    def build() -> Characters:
        import numpy as np

        from datajob.operators.kernels.characters import count_characters
        from datajob.operators.kernels.unicode import classes

        counts = np.zeros((len(batch), len(Characters._fields)), dtype=np.int64)
        count_characters(text_of(batch, column), classes(), counts)
        return Characters(*counts.T)

    return batch.derive(("characters", column), build)
