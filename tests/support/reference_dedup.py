"""What the kernels of near-duplicate detection do, slowly and obviously."""

from __future__ import annotations

from unicodedata import category, normalize

from datajob.operators.kernels import unicode as _unicode
from datajob.operators.kernels.unicode import WORD_SHIFT, classes

MARKS = (_unicode.EXTENDER, _unicode.JOINER, _unicode.STACKER)
ALONE = (_unicode.IDEOGRAPH, _unicode.SYLLABLE, _unicode.LEADING_VOWEL)


def folded(character: str, level: str) -> str | None:
    """What a character is compared as: "" ends a word, None is skipped."""
    if character.isspace() or character == "\0":
        return ""
    if level == "letters":
        if category(character) == "Cf" or ord(character) >= 0xE0000:
            return None
        if category(character)[0] in "PSZ" or category(character) in ("Cc", "Co"):
            return ""
    if level == "none":
        return character
    plain = normalize("NFKC", character) if level == "letters" else character
    return (plain if len(plain) == 1 else character).lower()[0]


def words(text: str, level: str, tokenizer: str, by_character: bool) -> list[str]:
    """The words of a text."""
    found: list[str] = []
    begin, alone = True, False
    for character in text:
        as_what = folded(character, level)
        if as_what is None:
            continue
        if as_what == "":
            begin = True
            continue
        kind = classes()[ord(character)] >> WORD_SHIFT
        mark, single = kind in MARKS, kind in ALONE and tokenizer == "unicode"
        if begin or by_character or single or (alone and not mark):
            found.append(as_what)
            alone = single
        else:
            found[-1] += as_what
            alone = alone if mark else single
        begin = False
    return found


def ngrams(words: list[str], size: int) -> set[tuple[str, ...]]:
    """Runs of `size` words; a shorter text is one run."""
    return {tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))} if words else set()


def jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    """The share of the members of both that are in both."""
    return len(left & right) / len(left | right)
