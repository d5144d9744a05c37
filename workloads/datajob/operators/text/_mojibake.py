"""The regular expression by which ftfy detects wrongly decoded text, as an automaton over classes of characters.

ftfy repairs the encoding of a text only if `ftfy.badness.BADNESS_RE` matches. This expression is a choice of short
sequences of character sets, so a deterministic automaton that reads each character once gives the same result.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOKEN = re.compile(r"(\[[^]]*\]|\\.|\S)(\??)")
BROAD = re.compile(r"\[\^|\\|\.")
"""Sets of nearly all characters or by Unicode properties; the other sets list a few hundred characters."""
ASSIGNED = 0x40000
"""The first code point after which there are no letters and no whitespace."""
NOT_KNOWN = set("(){}*+$")


class Automaton(NamedTuple):
    """A character c leads from state s to `following[s + kinds[c]]`. `start` is the initial state; 0 means bad text."""

    kinds: NDArray[np.uint8]
    following: NDArray[np.uint16]
    start: int


@cache
def mojibake() -> Automaton:
    """The automaton of the installed ftfy."""
    from ftfy.badness import BADNESS_RE

    return automaton(BADNESS_RE.pattern)


def automaton(pattern: str) -> Automaton:
    """The automaton that finds the verbose regular expression in non-ASCII text.

    A pattern that is more than sequences of sets is assumed to match every text, which is then passed to ftfy.
    """
    choices = alternatives(pattern)
    if any(token in NOT_KNOWN for tokens in choices for token in tokens):
        choices = [["[^\x00-\x7f]"]]
    tokens = sorted({token for sequence in choices for token in sequence} - {"^"})
    kinds, members = _kinds(tokens)
    anywhere = first = last = 0
    masks = [0] * len(members)
    place = 0
    for sequence in choices:
        anchored = sequence[0] == "^"
        first |= 1 << place
        anywhere |= 0 if anchored else 1 << place
        for token in sequence[anchored:]:
            at = tokens.index(token)
            for kind, sets in enumerate(members):
                masks[kind] |= (sets >> at & 1) << place
            place += 1
        last |= 1 << (place - 1)
    return _determined(kinds, masks, first, anywhere, last)


def alternatives(pattern: str) -> list[list[str]]:
    """The alternatives of the pattern, each a list of sets after an optional `^`; `?` doubles the alternatives."""
    choices: list[list[str]] = [[]]
    done: list[list[str]] = []
    for part, optional in TOKEN.findall(re.sub(r"(?m)^\s*#.*$", "", pattern)):
        if part == "|":
            done, choices = done + choices, [[]]
        else:
            longer = [[*choice, part] for choice in choices]
            choices = choices + longer if optional else longer
    return done + choices


def _kinds(tokens: list[str]) -> tuple[NDArray[np.uint8], list[int]]:
    """The kind of each code point and the sets (bits) of each kind: characters of one kind are in the same sets."""
    import numpy as np

    every = np.arange(ASSIGNED, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    broad = np.zeros(len(every), np.int64)
    named = set[str]()
    for number, token in enumerate(tokens):
        if BROAD.match(token):
            for found in re.finditer(f"{token}+", every):
                broad[found.start() : found.end()] |= 1 << number
        else:
            named.update(re.findall(token, every))
    numbers: dict[int, int] = {}
    present, which = np.unique(broad, return_inverse=True)
    kinds = np.array([numbers.setdefault(int(sets), len(numbers)) for sets in present], np.uint8)[which]
    kinds = np.concatenate([kinds, np.full(0x110000 - ASSIGNED, kinds[-1])])
    for character in sorted(named):
        sets = sum(1 << number for number, token in enumerate(tokens) if re.match(token, character))
        kinds[ord(character)] = numbers.setdefault(sets, len(numbers))
    return kinds, list(numbers)


def _determined(kinds: NDArray[np.uint8], masks: list[int], first: int, anywhere: int, last: int) -> Automaton:
    """The automaton whose states are sets of reached positions; in state 0, a sequence was found."""
    import numpy as np

    numbers = {-1: 0, first: 1}
    waiting, rows = [first], [[0] * len(masks)]
    for state in waiting:
        row = []
        for mask in masks:
            matched = state & mask
            reached = -1 if matched & last else matched << 1 | anywhere
            if reached not in numbers:
                numbers[reached] = len(numbers)
                waiting.append(reached)
            row.append(numbers[reached] * len(masks))
        rows.append(row)
    following = np.array(rows, np.uint16).ravel()
    kinds.flags.writeable = following.flags.writeable = False
    return Automaton(kinds, following, len(masks))
