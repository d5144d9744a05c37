"""Classes of characters as a table by code point, made from Python's own Unicode data.

Python's data (not a copy of it) so that a rule decides as `str.isspace`, `str.isalpha` and `str.splitlines` do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPACE = 1
"""`str.isspace`: what `str.split` splits at."""
BREAK = 2
"""What `str.splitlines` splits at."""
ALPHA = 4
"""`str.isalpha`."""
MATTER = 8
"""Not among the symbols of `PUNCTUATION` and `TERMINALS`: a word without such a character is a symbol."""
TERMINAL = 16
"""Ends a sentence."""
UPPER = 32
"""Category Lu: with a following `.` an initial, not the end of a sentence."""
DIGIT = 64
"""Category Nd."""
ALNUM = 128
"""`str.isalnum`."""

_RANGES = ((0, 0x32400), (0xE0000, 0xE01F0))
"""Everything assigned; the rest is unassigned or for private use and belongs to no class."""

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»" + "".join(
    map(chr, (*range(9), *range(11, 13), *range(13, 32), *range(127, 160)))
)
"""The symbols of datatrove's Gopher rules (datatrove/utils/text.py, 0.10)."""

TERMINALS = (
    "᪩？⁈𑩂．꩞𑅃﹗𑂾\u1b7d፧𑅂꡶꘎⁉࠾᪨𑊩𑱂᱿𖩮᥅\U00011f43\U00011f44﹒𑈹𑈸።܂؞꛳\U00010f88𑗍𐩖𑙂\u061d꩟᠉\u1b7e𑗗᰼𑻸؟𑪜꧉𑗉𐽙𖫵𖬷܀꓿᜵𑗏𑁇𑗓𑥄៖𑥆𑗑"
    "𑗒꯫۔𐩗\U00010f86꡷\u2e54｡៕߹⸮.𑇅࠹𛲟꫰꤯𐽗᭞𑜼፨𑃁꣏𑇟𖬸𑪛𑜾࠷𝪈?𑃀𑗃！։꣎॥𑗖᭛᠃!၊𖺘⁇𑗌𑑋𖭄᭟𑅁𑙁⸼꩝𑗋。꧈꫱𑜽𐽖𑂿᙮។꛷\U00010f89៚᥄𑗕𑗎᪪᭚࠽𑇞𑗊"
    "𐽘\u2e53𑗔𖩯𑇍𑻷𐽕𑩃।𑗂𑇆𑁈။᱾𑱁꘏܁᜶‼𑈻‽᪫﹖𑑌𑈼\U00010f87𑗐៙᰻"
)
"""Ends of sentences in all scripts (datatrove's TERMINAL_PUNCTUATION, 0.10)."""


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
        block |= np.array([c.isalnum() for c in characters], dtype=np.uint16) * ALNUM
        block |= (kinds == "Lu").astype(np.uint16) * UPPER
        block |= (kinds == "Nd").astype(np.uint16) * DIGIT
    table |= MATTER
    for character in PUNCTUATION + TERMINALS:
        table[ord(character)] &= ~MATTER & 0xFFFF
    for character in TERMINALS:
        table[ord(character)] |= TERMINAL
    for character in BREAKS:
        table[ord(character)] |= BREAK
    table.flags.writeable = False
    return table


@cache
def classes_with_terminals(terminals: tuple[str, ...]) -> NDArray[np.uint16]:
    """The same table with other ends of sentences."""
    table = classes() & (~TERMINAL & 0xFFFF)
    for character in terminals:
        table[ord(character)] |= TERMINAL
    table.flags.writeable = False
    return table
