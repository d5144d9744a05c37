"""Ends of sentences by the rules of UAX #29 one after the other, slow and obvious: what the compiled pass must find."""

from __future__ import annotations

from datajob.operators.kernels import sentence_classes as kinds

PARAGRAPH = (kinds.CR, kinds.NEWLINE)
TERMS = (kinds.STOP, kinds.TERMINAL)
BEYOND = (kinds.LETTER, kinds.UPPER, kinds.LOWER, *PARAGRAPH, *TERMS)


def boundaries(text: str, tailored: bool = False) -> list[str]:
    """The sentences of a text, with the spaces behind them."""
    table = kinds.sentence_classes()
    points = [(at, int(table[ord(c)])) for at, c in enumerate(text)]
    parts, start = [], 0
    for at in range(1, len(text)):
        if _is_boundary(text[start:], points[start:], at - start, tailored):
            parts.append(text[start:at])
            start = at
    return [*parts, text[start:]] if text else []


def _is_boundary(text: str, points: list[tuple[int, int]], at: int, tailored: bool) -> bool:
    before, after = points[at - 1][1], points[at][1]
    if text[at - 1 : at + 1] == "\r\n":  # SB3
        return False
    if before in PARAGRAPH:  # SB4
        return True
    if after == kinds.EXTEND:  # SB5
        return False
    left = _without_extenders(points[:at])
    right = [kind for _, kind in _without_extenders(points[at:])]
    rest, spaces = _strip(left, kinds.SPACE)
    rest, closings = _strip(rest, kinds.CLOSE, kinds.OPEN)
    if not rest or rest[-1][1] not in TERMS:
        return False  # SB998
    kind = rest[-1][1]
    ahead = right[0] if right else kinds.OTHER
    earlier = rest[-2][1] if len(rest) > 1 else kinds.OTHER
    if kind == kinds.STOP:
        if not spaces and not closings and ahead == kinds.NUMERIC:  # SB6
            return False
        if not spaces and not closings and earlier in (kinds.UPPER, kinds.LOWER) and ahead == kinds.UPPER:  # SB7
            return False
        following = next((k for k in right if k in BEYOND), None)
        if following == kinds.LOWER:  # SB8
            return False
        if tailored and _is_initial(rest[:-1]):
            return False
    if ahead in (kinds.CONTINUE, *TERMS):  # SB8a
        return False
    if not spaces and ahead in (kinds.CLOSE, kinds.OPEN):  # SB9
        return tailored and _opens(right)
    return ahead not in (kinds.SPACE, *PARAGRAPH)  # SB10, SB11


def _opens(right: list[int]) -> bool:
    """Whether what comes next opens a quotation or a parenthesis: a letter or a digit follows."""
    behind = next((kind for kind in right if kind != kinds.OPEN), kinds.OTHER)
    return right[0] == kinds.OPEN and kinds.LOWER <= behind <= kinds.NUMERIC


def _is_initial(before: list[tuple[int, int]]) -> bool:
    """A capital letter with neither a letter nor a digit in front of it."""
    if not before or before[-1][1] != kinds.UPPER:
        return False
    return len(before) < 2 or not kinds.LOWER <= before[-2][1] <= kinds.NUMERIC


def _without_extenders(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(at, kind) for at, kind in points if kind != kinds.EXTEND]


def _strip(points: list[tuple[int, int]], *those: int) -> tuple[list[tuple[int, int]], int]:
    count = 0
    while count < len(points) and points[-1 - count][1] in those:
        count += 1
    return points[: len(points) - count], count
