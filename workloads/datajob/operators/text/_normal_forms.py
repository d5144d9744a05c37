"""Tables for the compiled scan that detects whether a text is in its normal form and needs no repair.

They are computed from `unicodedata` and ftfy, not copied from their tables.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from datajob.operators.kernels.arrays import ANGLE, CHANGES, ENTITY, ESCAPE, MARK, Rules
from datajob.operators.text._mojibake import mojibake

if TYPE_CHECKING:
    pass

_RANGES = ((0, 0xD800), (0xE000, 0x40000), (0xE0000, 0xE1000))
"""All assigned code points, without surrogates."""
_BLOCK = 256


@cache
def rules(repair: bool, form: str, uncurl: bool, widths: bool) -> tuple[Rules, int]:
    """The tables for these parameters of `unicodeNormalize`, and the initial state of the automaton."""
    import numpy as np

    properties = np.zeros(0x110000, np.uint16)
    following, start = np.zeros(1, np.uint16), 1
    if repair:
        kinds, following, start = mojibake()
        properties |= kinds
        for character, kind in (("&", ENTITY), ("<", ANGLE), ("\x1b", ESCAPE)):
            properties[ord(character)] |= kind
    change = character_fixer(repair, form, uncurl, widths)
    changes = {c: change(c) for c in _changed(change)}
    numbers = np.zeros(0x110000, np.uint16)
    for number, character in enumerate(changes, start=1):
        numbers[ord(character)] = number
    encoded = [text.encode() for text in changes.values()]
    marks, firsts, seconds, pairs = _composition(form)
    properties[numbers > 0] |= CHANGES
    properties[(marks > 0) | (seconds > 0)] |= MARK
    new, ends = np.frombuffer(b"".join(encoded) or b"\0", np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    made = Rules(properties, following, numbers, new, ends, marks, firsts, seconds, pairs)
    for array in made:
        array.flags.writeable = False
    return made, start


def character_fixer(repair: bool, form: str, uncurl: bool, widths: bool) -> Callable[[str], str]:
    """The fixers of ftfy that replace single characters, in its order, followed by the normal form."""
    steps: list[Callable[[str], str]] = []
    if repair:
        from ftfy import fixes

        steps = [] if widths else [fixes.fix_latin_ligatures, fixes.fix_character_width]
        steps += [fixes.uncurl_quotes] if uncurl else []
        steps += [fixes.fix_line_breaks, fixes.remove_control_chars]
    if form != "none":
        steps.append(partial(unicodedata.normalize, cast(Any, form)))

    def fix(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return fix


def _changed(change: Callable[[str], str]) -> list[str]:
    """The characters that `change` changes."""
    found = []
    for first, last in _RANGES:
        for start in range(first, last, _BLOCK):
            block = "".join(map(chr, range(start, start + _BLOCK)))
            if change(block) != block:
                found += [c for c in block if change(c) != c]
    return found


def _composition(form: str) -> tuple[Any, Any, Any, Any]:
    """The combining classes and the pairs of characters that compose; empty if the form does not need them."""
    import numpy as np

    marks, seconds = np.zeros(0x110000, np.uint8), np.zeros(0x110000, np.uint8)
    firsts = np.zeros(0x110000, np.uint16)
    composites: list[tuple[int, int]] = []
    if form != "none":
        for c in _changed(lambda text: text if not any(map(unicodedata.combining, text)) else ""):
            marks[ord(c)] = unicodedata.combining(c)
    if form in ("NFC", "NFKC"):
        for c in _changed(lambda text: unicodedata.normalize("NFD", text)):
            parts = unicodedata.decomposition(c).split()
            if len(parts) == 2 and unicodedata.is_normalized("NFC", c):
                composites.append((int(parts[0], 16), int(parts[1], 16)))
    for place, (first, second) in enumerate(sorted(composites)):
        firsts[first] = firsts[first] or place + 1
        seconds[second] = seconds[second] or seconds.max() + 1
    pairs = np.zeros((len(composites) + 1, int(seconds.max()) + 2), np.uint8)
    for first, second in composites:
        pairs[firsts[first], seconds[second]] = 1
    if composites:  # parts of Hangul syllables are rare, so all of them are assumed to compose
        seconds[0x1161:0x1176] = seconds[0x11A8:0x11C3] = pairs.shape[1] - 1
        pairs[:, -1] = 1
    return marks, firsts, seconds, pairs
