"""transcriptQuality: reject transcripts that a speech model has invented."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.audio._transcripts import plain_text, spoken_words
from datajob.operators.base import Bound, Filter, Verdict
from datajob.operators.measures import bounds_of
from datajob.parameters import Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch, Measures

BLOCK = 50
"""Words of which the share of distinct ones is measured, because it decreases with the length of a text."""
_TEXT = (
    ("min_characters", "characters"),
    ("min_unique_words", "unique_words"),
    ("max_word_length", "word_length"),
    ("max_compression", "compression"),
)
_DURATION = (("min_characters_per_second", "characters_per_second"), ("max_characters_per_second", "characters_per_second"))
_NO_SPEECH = (("max_no_speech", "no_speech"),)


class TranscriptQuality(Filter):
    """Reject transcripts that a speech model has probably invented, such as repetitions and texts for silence.

    The limits are those of NeMo Curator (distinct words, word length, characters per second, phrases) and of Whisper
    (compression, no speech). A row is rejected by the first limit that it violates, in the order of the parameters, and
    finally if it consists of one of `phrases`. Case and punctuation do not count, except for the compression. In scripts
    without spaces, each character is a word. A row fails if its transcript is null, or a column for a limit has no number.

    Example:

        - audioDuration: {output: seconds}
        - transcribe: {noSpeechColumn: no_speech}
        - transcriptQuality: {duration: seconds, noSpeech: no_speech, phrases: [thanks for watching]}
    """

    column: Column = Field(default="transcript", description="Column with the transcript.")
    duration: Column | None = Field(
        default=None,
        description="Column with the seconds of the audio. Without it, characters per second are not limited. After "
        "`vadSegment`, measure the segments with `audioDuration`.",
    )
    no_speech: Column | None = Field(
        default=None, description="Column with the probability that the audio contains no speech, from `transcribe`."
    )
    min_characters: int = Field(default=1, ge=0, description="Minimum number of letters and digits. Emilia uses 2.")
    min_unique_words: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Minimum share of distinct words. For texts of more than 50 words, the lowest share of 50 words counts.",
    )
    max_word_length: int = Field(
        default=35, ge=1, description="Maximum number of characters of a word. NeMo Curator uses 25 for most languages."
    )
    max_compression: float = Field(
        default=2.4, ge=0, description="Maximum ratio of the size of the text to that of the text compressed by zlib."
    )
    min_characters_per_second: float = Field(default=0, ge=0, description="Minimum number of characters per second.")
    max_characters_per_second: float = Field(default=40, ge=0, description="Maximum number of characters per second.")
    max_no_speech: float = Field(default=0.6, ge=0, le=1, description="Maximum probability in the column `noSpeech`.")
    phrases: tuple[str, ...] = Field(
        default=(), max_length=10_000, description="Transcripts to reject, such as `thanks for watching`."
    )

    def bounds(self) -> tuple[Bound, ...]:
        """The limits, except those whose column is not given."""
        return bounds_of(self, (*_TEXT, *(_DURATION if self.duration else ()), *(_NO_SPEECH if self.no_speech else ())))

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; rows without a transcript or a number fail."""
        import numpy as np

        found = self.measures(batch)
        codes = np.zeros(len(batch), dtype=np.int8)
        reasons = []
        for code, bound in enumerate(self.bounds(), start=1):
            values = found[bound.measure]
            for row in np.flatnonzero(np.isnan(values)).tolist():
                batch.fail(row, f"notMeasurable: the row has no {bound.measure.replace('_', ' ')}")
            bad = values < bound.limit if bound.is_minimum else values > bound.limit
            codes[(codes == 0) & bad] = code
            reasons.append(f"{bound.measure}_too_{'low' if bound.is_minimum else 'high'}")
        codes[(codes == 0) & self._phrases(batch)] = len(reasons) + 1
        return Verdict(codes, (*reasons, "phrase"))

    def measures(self, batch: Batch) -> Measures:
        """The measures that the limits apply to; NaN for rows that have none."""
        import numpy as np

        from datajob.operators.strings.column import text_array

        texts = text_array(batch, self.column).to_pylist()
        names = ("characters", "unique_words", "word_length", "compression")
        rows = [(np.nan,) * len(names) if text is None else _measures(text) for text in texts]
        found = dict(zip(names, np.array(rows, dtype=np.float64).reshape(-1, len(names)).T, strict=True))
        if self.duration is not None:
            seconds = _numbers(batch, self.duration)
            with np.errstate(divide="ignore", invalid="ignore"):
                rates = np.where(seconds > 0, found["characters"] / seconds, np.nan)
            found["characters_per_second"] = rates
        if self.no_speech is not None:
            found["no_speech"] = _numbers(batch, self.no_speech)
        return found

    def _phrases(self, batch: Batch) -> NDArray[Any]:
        import numpy as np

        from datajob.operators.strings.column import text_array

        known = {plain_text(phrase) for phrase in self.phrases}
        texts = text_array(batch, self.column).fill_null("").to_pylist() if known else [""] * len(batch)
        return np.array([bool(known) and plain_text(text) in known for text in texts], dtype=np.bool_)


def _measures(text: str) -> tuple[float, float, float, float]:
    """Characters, the lowest share of distinct words in a block, the longest word, and the compression."""
    plain = plain_text(text)
    words = spoken_words(plain)
    last = max(0, len(words) - BLOCK)
    starts = {*range(0, last, BLOCK), last}
    unique = min((len(set(block)) / len(block) for start in starts if (block := words[start : start + BLOCK])), default=1.0)
    data = text.strip().encode("utf-8", "surrogatepass")
    compression = len(data) / len(zlib.compress(data)) if data else 0.0
    return len(plain) - plain.count(" "), unique, max(map(len, words), default=0), compression


def _numbers(batch: Batch, column: str) -> NDArray[Any]:
    """A column as doubles, NaN where it is null. Raises InputError if it does not contain numbers."""
    import numpy as np
    import pyarrow as pa

    from datajob.errors import InputError

    array: Any = batch.array(column)
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
        raise InputError(f"column `{column}` contains {kind}, not numbers.")
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
