"""Character classes as a table by code point, from the Unicode data of Python.

This makes rules agree with `str.isspace`, `str.isalpha` and `str.splitlines`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

SPACE = 1
"""`str.isspace`: the characters that `str.split` splits at."""
BREAK = 2
"""The characters that `str.splitlines` splits at."""
ALPHA = 4
"""`str.isalpha`."""
MATTER = 8
"""Not among the symbols of `PUNCTUATION` and `TERMINALS`: a word without such a character is a symbol."""
TERMINAL = 16
"""Ends a sentence."""
UPPER = 32
"""Category Lu: followed by `.`, an initial instead of the end of a sentence."""
DIGIT = 64
"""Category Nd."""
ALNUM = 128
"""`str.isalnum`, or a mark that belongs to such a character (vowel signs, accents)."""
BRACKET = 1 << 12
"""Categories Ps and Pe: opening and closing brackets of any kind."""

WORD_SHIFT = 8
"""The four bits from here on are the word class, one of those below (after UAX #29, table 3)."""
WORD_CLASS = 15
(OTHER, LETTER, NUMBER, KATAKANA, CONNECTOR, EXTENDER, JOINER, MID_LETTER, MID_NUMBER, MID_BOTH) = range(10)
(IDEOGRAPH, REGIONAL, PICTURE, SYLLABLE, LEADING_VOWEL, STACKER) = range(10, 16)

_MID = {
    MID_LETTER: "\u00b7\u0387\u055f\u05f4\u2027\ufe13\ufe55\uff1a",
    MID_NUMBER: ",;\u037e\u0589\u060c\u060d\u066c\u07f8\u2044\ufe10\ufe14\ufe50\ufe54\uff0c\uff1b",
    MID_BOTH: ".'\u2018\u2019\u2024\ufe52\uff07\uff0e",
}
_IDEOGRAPHS = ((0x2E80, 0x2FE0), (0x3005, 0x3008), (0x3021, 0x302A), (0x3041, 0x3097), (0x309D, 0x30A0), (0x3400, 0x4DC0))
_MORE_IDEOGRAPHS = ((0x4E00, 0xA000), (0xF900, 0xFB00), (0x1B001, 0x1B120), (0x1B150, 0x1B153), (0x20000, 0x32400))
_KATAKANA = ((0x3031, 0x3036), (0x309B, 0x309D), (0x30A1, 0x30FB), (0x30FC, 0x3100), (0x31F0, 0x3200), (0xFF66, 0xFF9E))
_PICTURES = ((0x2190, 0x2400), (0x25A0, 0x27C0), (0x2900, 0x2980), (0x2B00, 0x2BFF), (0x1F000, 0x1F1E6), (0x1F200, 0x1FB00))
_NO_SPACES = ((0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x1950, 0x19E0), (0x1A20, 0x1AB0), (0xA9E0, 0xAA00))
_MORE_NO_SPACES = ((0xAA60, 0xAAE0),)
"""Thai, Lao, Burmese, Khmer and Tai scripts, which are written without spaces; each syllable is a word here."""
_LEADING_VOWELS = (*range(0x0E40, 0x0E45), *range(0x0EC0, 0x0EC5))
_FOLLOWING_VOWELS = (0x0E30, 0x0E32, 0x0E33, 0x0E45, 0x0E46, 0x0EB0, 0x0EB2, 0x0EB3, 0x0EC6)
_STACKERS = (0x1039, 0x17D2, 0x1A60)
"""Signs that join the next consonant to the syllable."""

_RANGES = ((0, 0x32400), (0xE0000, 0xE01F0))
"""All assigned code points; the others are unassigned or for private use and have no class."""

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»" + "".join(
    map(chr, (*range(9), *range(11, 13), *range(13, 32), *range(127, 160)))
)
"""The symbols of the Gopher rules of datatrove (datatrove/utils/text.py, 0.10)."""

TERMINALS = (
    "᪩？⁈𑩂．꩞𑅃﹗𑂾\u1b7d፧𑅂꡶꘎⁉࠾᪨𑊩𑱂᱿𖩮᥅\U00011f43\U00011f44﹒𑈹𑈸።܂؞꛳\U00010f88𑗍𐩖𑙂\u061d꩟᠉\u1b7e𑗗᰼𑻸؟𑪜꧉𑗉𐽙𖫵𖬷܀꓿᜵𑗏𑁇𑗓𑥄៖𑥆𑗑"
    "𑗒꯫۔𐩗\U00010f86꡷\u2e54｡៕߹⸮.𑇅࠹𛲟꫰꤯𐽗᭞𑜼፨𑃁꣏𑇟𖬸𑪛𑜾࠷𝪈?𑃀𑗃！։꣎॥𑗖᭛᠃!၊𖺘⁇𑗌𑑋𖭄᭟𑅁𑙁⸼꩝𑗋。꧈꫱𑜽𐽖𑂿᙮។꛷\U00010f89៚᥄𑗕𑗎᪪᭚࠽𑇞𑗊"
    "𐽘\u2e53𑗔𖩯𑇍𑻷𐽕𑩃।𑗂𑇆𑁈။᱾𑱁꘏܁᜶‼𑈻‽᪫﹖𑑌𑈼\U00010f87𑗐៙᰻"
)
"""End marks of all scripts (TERMINAL_PUNCTUATION of datatrove, 0.10)."""


@cache
def classes() -> NDArray[np.uint16]:
    """The classes of every code point, as bits; shape (0x110000,), uint16."""
    from unicodedata import category

    import numpy as np

    table = np.zeros(0x110000, dtype=np.uint16)
    for first, last in _RANGES:
        characters = [chr(point) for point in range(first, last)]
        kinds = np.array([category(c) for c in characters])
        block = table[first:last]
        block |= np.array([c.isspace() for c in characters], dtype=np.uint16) * SPACE
        block |= np.array([c.isalpha() for c in characters], dtype=np.uint16) * ALPHA
        alphanumeric = np.array([c.isalnum() for c in characters]) | (kinds.astype("U1") == "M")
        block |= alphanumeric.astype(np.uint16) * ALNUM
        block |= ((kinds == "Ps") | (kinds == "Pe")).astype(np.uint16) * BRACKET
        block |= (kinds == "Lu").astype(np.uint16) * UPPER
        block |= (kinds == "Nd").astype(np.uint16) * DIGIT
        block |= _word_classes(first, kinds) << WORD_SHIFT
    table |= MATTER
    for character in PUNCTUATION + TERMINALS:
        table[ord(character)] &= ~MATTER & 0xFFFF
    for character in TERMINALS:
        table[ord(character)] |= TERMINAL
    for character in BREAKS:
        table[ord(character)] |= BREAK
    table.flags.writeable = False
    return table


def _word_classes(first: int, kinds: NDArray[np.str_]) -> NDArray[np.uint16]:
    """The word class of the code points from `first` on, whose general categories are `kinds`."""
    import numpy as np

    block = np.zeros(len(kinds), dtype=np.uint16)
    major = kinds.astype("U1")
    block[(major == "L") | (kinds == "Nl")] = LETTER
    block[kinds == "Nd"] = NUMBER
    block[kinds == "Pc"] = CONNECTOR
    block[(major == "M") | (kinds == "Cf")] = EXTENDER

    def paint(ranges: Iterable[tuple[int, int]], kind: int, only: int | None = None) -> None:
        for low, high in ranges:
            part = block[max(low - first, 0) : max(high - first, 0)]
            part[(part == only) if only is not None else (part != EXTENDER)] = kind

    def points(those: Iterable[int]) -> Iterator[tuple[int, int]]:
        return ((point, point + 1) for point in those)

    paint((*_IDEOGRAPHS, *_MORE_IDEOGRAPHS), IDEOGRAPH)
    paint(_KATAKANA, KATAKANA)
    paint(_PICTURES, PICTURE, only=OTHER)
    paint(((0x1F1E6, 0x1F200),), REGIONAL)
    paint(((0x1F3FB, 0x1F400),), EXTENDER)
    paint((*_NO_SPACES, *_MORE_NO_SPACES), SYLLABLE, only=LETTER)
    paint(points(_LEADING_VOWELS), LEADING_VOWEL)
    paint(points(_FOLLOWING_VOWELS), EXTENDER)
    paint(points(_STACKERS), STACKER, only=EXTENDER)
    paint(points((0x200B,)), OTHER, only=EXTENDER)
    paint(points((0x200D,)), JOINER, only=EXTENDER)
    for kind, characters in _MID.items():
        paint(points(map(ord, characters)), kind)
    return block


@cache
def classes_with_terminals(terminals: tuple[str, ...]) -> NDArray[np.uint16]:
    """The same table with other end marks."""
    import numpy as np

    table = classes() & np.uint16(~TERMINAL & 0xFFFF)
    for character in terminals:
        table[ord(character)] |= TERMINAL
    table.flags.writeable = False
    return table
