"""fasttextClassifier: keep rows by the prediction of a fastText model."""

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
    """Keep rows by the probability that a fastText model assigns to a label, such as quality, toxicity or a domain.

    A text without words has probability 0.

    Example:

        - fasttextClassifier: {model: s3://models/quality.bin, label: good, min: 0.5}
    """

    column: Column = Field(default="text", description="Text column.")
    model: FilePath = Field(description="Path or URL of a supervised fastText model (.bin or .ftz).")
    label: str = Field(min_length=1, description="Label, without the prefix `__label__`.")
    min: float = Field(default=0, ge=0, le=1, description="Minimum probability.")
    max: float = Field(default=1, ge=0, le=1, description="Maximum probability.")
    characters: int = Field(
        default=10_000, ge=10, le=10_000_000, description="Number of characters to read from the start of the text."
    )
    output: NewColumn | None = Field(default=None, description="Column (float64) for the probability.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`. Raises InputError if the model does not have the label."""
        import numpy as np
        import pyarrow as pa

        scores = self._probabilities(batch)
        codes = np.where(scores < self.min, 1, np.where(scores > self.max, 2, 0)).astype(np.int8)
        columns = {self.output: pa.array(scores)} if self.output else {}
        return Verdict(codes, ("probability_too_low", "probability_too_high"), columns)

    def bounds(self) -> tuple[Bound, ...]:
        """Both limits."""
        return (
            Bound("min", "probability", self.min, is_minimum=True),
            Bound("max", "probability", self.max, is_minimum=False),
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
