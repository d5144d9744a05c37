"""N-grams of texts, which the near-duplicate operators compare."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.parameters import Parameters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Normalize = Literal["none", "casefold", "letters"]
NORMALIZE = (
    "Differences to ignore when comparing texts. `none`: none, and whitespace separates words. `casefold`: case. `letters`: "
    "case and width, and everything that is not a letter, mark or digit separates words."
)


class Ngram(Parameters):
    """N-grams of words or characters."""

    kind: Literal["words", "characters"] = Field(
        default="words",
        description="Unit of the n-grams. `characters`, which ignores whitespace, suits short texts and languages written "
        "without spaces.",
    )
    size: int = Field(default=5, ge=1, le=100, description="Length of the n-grams in units; a shorter text is a single n-gram.")


_FOLDED = ((0x41, 0x3400), (0xA000, 0xAC00), (0xF900, 0x17000), (0x1AFF0, 0x20000), (0x2F800, 0x2FA20))
"""Code points that may have another case or a compatible form; the gaps are ideographs and syllables."""


@cache
def folding(normalize: Normalize, tokenizer: str) -> NDArray[np.uint32]:
    """The code point that each code point is compared as, for `kernels.shingles`; shape (0x110000,), read-only.

    With `tokenizer: unicode`, each character of a script without spaces is a word.
    """
    import numpy as np

    from datajob.operators.kernels.shingles import ALONE, IGNORED, KIND_SHIFT, MARK, SEPARATOR
    from datajob.operators.kernels.unicode import (
        EXTENDER,
        IDEOGRAPH,
        JOINER,
        LEADING_VOWEL,
        SPACE,
        STACKER,
        SYLLABLE,
        WORD_SHIFT,
        classes,
    )

    table = classes()
    folded = np.arange(0x110000, dtype=np.uint32)
    words = table >> WORD_SHIFT
    if normalize != "none":
        letters = [point for first, end in _FOLDED for point in range(first, end)]
        folded[letters] = [_folded(chr(point), normalize) for point in letters]
    kind = np.zeros(0x110000, np.uint32)
    kind[np.isin(words, (EXTENDER, JOINER, STACKER))] = MARK
    if tokenizer == "unicode":
        kind[np.isin(words, (IDEOGRAPH, SYLLABLE, LEADING_VOWEL))] = ALONE
    folded |= kind << np.uint32(KIND_SHIFT)
    folded[(table & SPACE) > 0] = SEPARATOR
    if normalize == "letters":
        separators, ignored = _no_letters()
        folded[separators] = SEPARATOR
        folded[ignored] = IGNORED << KIND_SHIFT
    folded.flags.writeable = False
    return folded


def _folded(character: str, normalize: Normalize) -> int:
    """The lower-case code point of a character; for `letters`, of its compatible form if that is a single character."""
    from unicodedata import normalize as form

    plain = form("NFKC", character) if normalize == "letters" else character
    return ord((plain if len(plain) == 1 else character).lower()[0])


@cache
def _no_letters() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code points that are not letters, marks or digits, and the invisible ones among them (category Cf)."""
    from unicodedata import category

    import numpy as np

    kinds = np.array(list(map(category, map(chr, range(0x32400)))))
    major = kinds.astype("U1")
    high = np.arange(0xE0000, 0x110000)
    separators = np.flatnonzero((major == "P") | (major == "S") | (major == "Z") | (kinds == "Cc") | (kinds == "Co"))
    return separators, np.concatenate([np.flatnonzero(kinds == "Cf"), high])
