"""Transcripts in the form in which they are compared: without case, punctuation and differences of encoding."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

APOSTROPHES = "'’ʼ＇"
UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0x20000, 0x323AF))
"""Scripts that do not separate words by spaces: Thai, Lao, Burmese, Khmer, kana, Han."""


class _Plain(dict[int, str]):
    """What each character becomes: a space for punctuation, symbols and controls, nothing for formats, otherwise itself."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        kind = unicodedata.category(character)
        self[point] = "" if kind == "Cf" else " " if kind[0] in "PSZ" or kind == "Cc" else character
        return self[point]


_PLAIN = _Plain({ord(character): "'" for character in APOSTROPHES})


def plain_text(text: str) -> str:
    """Lower case, NFKC, without punctuation and symbols; an apostrophe remains within a word. Words have one space between."""
    words = unicodedata.normalize("NFKC", text).lower().translate(_PLAIN).split()
    return " ".join(stripped for word in words if (stripped := word.strip("'")))


def spoken_words(text: str) -> list[str]:
    """The words of a plain text. In scripts without spaces, each character is a word."""
    return [word for part in text.split() for word in _split(part)]


def _split(part: str) -> Iterator[str]:
    start = 0
    for at, character in enumerate(part):
        if any(first <= ord(character) <= last for first, last in UNSPACED):
            if start < at:
                yield part[start:at]
            yield character
            start = at + 1
    if start < len(part):
        yield part[start:]
