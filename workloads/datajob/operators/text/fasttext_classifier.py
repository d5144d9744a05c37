"""Classification by a fastText model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound, Filter, Verdict
from datajob.parameters import Column, FilePath, NewColumn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch, Measures


class FasttextClassifier(Filter):
    """Keeps texts by the probability that a fastText model gives one label (quality, toxicity, domain).

    A text without a word has probability 0.

    Example:

        - fasttextClassifier: {model: s3://models/quality.bin, label: __label__good, min: 0.5}
    """

    column: Column = Field(default="text", description="The text.")
    model: FilePath = Field(description="Path of a supervised fastText model (.bin or .ftz); local or any fsspec URL.")
    label: str = Field(min_length=1, description="The label, without `__label__`.")
    min: float = Field(default=0, ge=0, le=1, description="Smallest probability kept.")
    max: float = Field(default=1, ge=0, le=1, description="Largest probability kept.")
    characters: int = Field(
        default=10_000, ge=10, le=10_000_000, description="How much of the text is looked at, from its start."
    )
    output: NewColumn | None = Field(default=None, description="Column (float64) that gets the probability.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`. Raises InputError when the model does not know the label."""
        import numpy as np
        import pyarrow as pa

        scores = self._probabilities(batch)
        codes = np.where(scores < self.min, 1, np.where(scores > self.max, 2, 0)).astype(np.int8)
        columns = {self.output: pa.array(scores)} if self.output else {}
        return Verdict(codes, ("probability_too_low", "probability_too_high"), columns)

    def bounds(self) -> tuple[Bound, ...]:
        """Both limits."""
        return (
            Bound("min", "probability", self.min, is_least=True),
            Bound("max", "probability", self.max, is_least=False),
        )

    def measures(self, batch: Batch) -> Measures:
        """The probability."""
        return {"probability": self._probabilities(batch)}

    def _probabilities(self, batch: Batch) -> NDArray[np.float64]:
        import numpy as np

        from datajob.errors import InputError
        from datajob.operators.text._fasttext import labels_of, load, predict, samples

        known = labels_of(self.model, self.key)
        if self.label not in known:
            raise InputError(
                f"`{self.key}`: the model `{self.model}` has no label `{self.label}`; it has {', '.join(known[:20])}."
            )
        found = predict(load(self.model, self.key), samples(batch, self.column, self.characters), -1)
        return np.array([labels.get(self.label, 0.0) for labels in found], dtype=np.float64)
