"""The Sentence_Break property of UAX #29 (revision of Unicode 16) as a table by code point, from Python's own Unicode data."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from unicodedata import category

from datajob.operators.kernels.unicode import TERMINALS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

(OTHER, EXTEND, SPACE, LOWER, UPPER, LETTER, NUMERIC, CONTINUE, CLOSE, OPEN, STOP, TERMINAL, CR, NEWLINE) = range(14)
"""NEWLINE is LF or Sep, EXTEND is Extend or Format. STOP is ATerm: a full stop, which does not always end a sentence. Of Close,
OPEN has the categories Ps and Pi."""

_STOPS = ".\u2024\ufe52\uff0e"
_CONTINUE = (
    ",-:;\u037e\u055d\u060c\u060d\u07f8\u1802\u1808\u2013\u2014\u3001\ufe10\ufe11\ufe13\ufe14\ufe31\ufe32\ufe50\ufe51\ufe54"
    "\ufe55\ufe58\ufe63\uff0c\uff0d\uff1a\uff1b\uff64"
)
_EXCEPTIONS = {
    NUMERIC: (*range(0x600, 0x606), 0x66B, 0x66C, 0x6DD, 0x890, 0x891, 0x8E2, 0x19DA, 0x110BD, 0x110CD),
    CLOSE: (0x22, 0x27, *range(0x275B, 0x2761), 0x2E00, 0x2E01, 0x2E06, 0x2E07, 0x2E08, 0x2E0B, 0x1F676, 0x1F677, 0x1F678),
    TERMINAL: (0x2CF9, 0x2CFA, 0x2CFB, 0xFE12, 0xFE15, 0xFE16),
    OTHER: (0x1C, 0x1D, 0x1E, 0x1F, 0x17D6, 0x17D9, 0x17DA),
    LETTER: (*range(0x10D0, 0x10FB), *range(0x10FD, 0x1100), *range(0x1C90, 0x1CC0), 0x5F3),
    LOWER: (0x10FC, 0xA7F2, 0xA7F3, 0xA7F4, 0xAB69),
    EXTEND: (0x200B, 0xFF9E, 0xFF9F),
    CR: (0x0D,),
    NEWLINE: (0x0A, 0x85, 0x2028, 0x2029),
}
"""Classes that do not follow from the general category or the letter case."""
_RANGES = ((0, 0x32400), (0xE0000, 0xE01F0))


@cache
def sentence_classes() -> NDArray[np.uint8]:
    """The class of every code point; shape (0x110000,), uint8."""
    import numpy as np

    table = np.zeros(0x110000, dtype=np.uint8)
    for first, last in _RANGES:
        table[first:last] = [_class_of(chr(point)) for point in range(first, last)]
    for kind, points in _EXCEPTIONS.items():
        table[list(points)] = kind
    table.flags.writeable = False
    return table


_TERMINALS = frozenset(TERMINALS)
_LETTERS = {"Ll": LOWER, "Lu": UPPER, "Lt": UPPER, "Nd": NUMERIC, "Cf": EXTEND, "Mn": EXTEND, "Mc": EXTEND, "Me": EXTEND}
_BRACKETS = {"Ps": OPEN, "Pi": OPEN, "Pe": CLOSE, "Pf": CLOSE}


def _class_of(character: str) -> int:
    if character in _STOPS:
        return STOP
    if character in _TERMINALS:
        return TERMINAL
    if character in _CONTINUE:
        return CONTINUE
    kind = category(character)
    if kind in _LETTERS:
        return _LETTERS[kind]
    if character.isspace():
        return SPACE
    if character.islower():
        return LOWER
    if character.isupper():
        return UPPER
    return _BRACKETS.get(kind, LETTER if kind[0] == "L" or kind == "Nl" else OTHER)
