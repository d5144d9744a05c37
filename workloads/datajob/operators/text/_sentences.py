"""Sentences of a text column by UAX #29, and abbreviations that do not end a sentence."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from datajob.operators.text._word_lists import shipped_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

Abbreviations = Annotated[
    tuple[Literal["de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv"], ...],
    Field(
        max_length=10,
        description="Languages (ISO 639-1 codes) whose abbreviations, such as `Dr.` or `No.`, do not end a sentence.",
    ),
]


class Sentences(NamedTuple):
    """Sentences `rows[i]:rows[i + 1]` of row i, as bytes `starts[j]:stops[j]` of the column's data."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


def sentences_of(batch: Batch, column: str, languages: tuple[str, ...]) -> Sentences:
    """The sentences of the column without the whitespace around them; rows that are not alive have none."""
    return batch.derive(("sentences", column, languages), lambda: _split(batch, column, languages))


def _split(batch: Batch, column: str, languages: tuple[str, ...]) -> Sentences:
    import numpy as np

    from datajob.operators.kernels.sentence_breaks import split_sentences
    from datajob.operators.kernels.sentence_classes import sentence_classes
    from datajob.operators.kernels.unicode import classes
    from datajob.operators.strings.column import text_of

    text = text_of(batch, column)
    size = int(text.offsets[-1] - text.offsets[0])
    rows, starts, stops = np.empty(len(batch) + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    found = split_sentences(text, classes(), sentence_classes(), True, True, abbreviations(languages), rows, starts, stops)
    return Sentences(rows, starts[:found], stops[:found])


@cache
def abbreviations(languages: tuple[str, ...]) -> NDArray[np.uint64]:
    """The hashes of the abbreviations of these languages, as a table that kernels look them up in; empty for none."""
    import numpy as np

    from datajob.operators.kernels.sentence_breaks import OFFSET_BASIS, PRIME

    words = {word for language in languages for word in shipped_words("abbreviations")[language]}
    forms = sorted({form for word in words for form in (word.lower(), word.capitalize(), word.upper(), word)})
    table = np.zeros(1 << max(4 * len(forms), 8).bit_length() if forms else 0, np.uint64)
    for form in forms:
        key = OFFSET_BASIS
        for byte in bytes(form.encode()).lower():  # ASCII only
            key = ((key ^ byte) * PRIME) & 0xFFFFFFFFFFFFFFFF
        slot = (key ^ (key >> 29)) & (len(table) - 1)
        while table[slot] not in (0, key):
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = key
    table.flags.writeable = False
    return table
