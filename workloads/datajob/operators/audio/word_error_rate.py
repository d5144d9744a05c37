"""wordErrorRate: keep rows whose transcript equals a reference text, apart from a share of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.audio._transcripts import plain_text
from datajob.operators.base import Verdict
from datajob.operators.measures import Measure
from datajob.parameters import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class WordErrorRate(Measure):
    """Keep rows by the word error rate of a transcript: substituted, inserted and deleted words per word of a reference text.

    With `unit: characters`, it is the character error rate, which suits languages without spaces; spaces do not count. The
    rate is 0 for equal texts and can exceed 1. By default, both texts are normalized: NFKC, lower case, and spaces instead of
    punctuation and symbols; apostrophes within words remain. Numbers are not spelled out. Without normalization, rates equal
    those of jiwer. GigaSpeech keeps a rate of up to 0.04, and 0 in its smaller sets.

    If the reference is empty, each word of the transcript is an error. A row fails if one of its texts is null.

    Example:

        - transcribe: {}
        - wordErrorRate: {reference: text, max: 0.04, output: wer}
    """

    column: Column = Field(default="transcript", description="Column with the transcript.")
    reference: Column = Field(default="text", description="Column with the correct text.")
    unit: Literal["words", "characters"] = Field(
        default="words", description="What is compared: words, which are separated by whitespace, or characters."
    )
    normalize: bool = Field(default=True, description="Normalize both texts before they are compared.")
    max: float = Field(default=0.04, ge=0, description="Maximum rate.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The rate of each row; NaN if one of the texts is null."""
        import numpy as np

        from datajob.operators.strings.column import text_array

        texts = text_array(batch, self.column).to_pylist()
        references = text_array(batch, self.reference).to_pylist()
        rates = [self._rate(text, reference) for text, reference in zip(texts, references, strict=True)]
        return np.array(rates, dtype=np.float64)

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; rows without a text fail."""
        from datajob.operators.strings.column import text_array

        for column, reason in ((self.column, "noTranscript"), (self.reference, "noReference")):
            for row, valid in enumerate(text_array(batch, column).is_valid().to_pylist()):
                if not valid:
                    batch.fail(row, f"{reason}: column `{column}` is null")
        return super().keep(batch)

    def _rate(self, text: str | None, reference: str | None) -> float:
        if text is None or reference is None:
            return float("nan")
        found, correct = self._parts(text), self._parts(reference)
        return _distance(found, correct) / max(1, len(correct))

    def _parts(self, text: str) -> Sequence[str]:
        words = (plain_text(text) if self.normalize else text).split()
        return words if self.unit == "words" else "".join(words)


def _distance(found: Sequence[str], correct: Sequence[str]) -> int:
    import numpy as np

    from datajob.operators.kernels.edits import edit_distance

    numbers: dict[str, int] = {}

    def numbered(parts: Sequence[str]) -> NDArray[np.int32]:
        array = np.array([numbers.setdefault(part, len(numbers)) for part in parts], dtype=np.int32)
        array.flags.writeable = False
        return array

    return int(edit_distance(numbered(found), numbered(correct), np.empty(len(correct) + 1, np.int32)))
