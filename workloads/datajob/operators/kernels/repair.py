"""Unicode repair: finds the lines that cannot change, and replaces single characters in the others."""

from __future__ import annotations

from typing import Any

from datajob.operators.kernels.arrays import ANGLE, CHANGES, ENTITY, ESCAPE, KIND, MARK, Rules
from datajob.operators.kernels.jit import helper, inline, kernel
from datajob.operators.kernels.types import i64, read, types, void, write
from datajob.operators.kernels.utf8 import copy_bytes, decode, peek

u8, u16 = types.uint8, types.uint16
RULES = types.NamedTuple(
    (read(u16), read(u16), read(u16), read(u8), read(i64), read(u8), read(u16), read(u8), read(u8, 2)), Rules
)
BAD, LOOSE = 1, 2
"""Findings in a line, in addition to the properties of its characters: mojibake, and marks out of order or not composed."""
LONGEST_ENTITY = 24


@inline
def _is_entity(data: Any, at: int, end: int) -> bool:
    """Whether `&#?[0-9A-Za-z]{1,24};` is at this position."""
    at += 1
    if at < end and data[at] == 35:
        at += 1
    first = at
    while at < end and (48 <= data[at] <= 57 or 65 <= data[at] <= 90 or 97 <= data[at] <= 122):
        at += 1
    return at < end and data[at] == 59 and 1 <= at - first <= LONGEST_ENTITY


@helper
def _scan(rules: Any, start: int, data: Any, at: int, end: int, most: int) -> Any:
    """What is found in a line of at most `most` characters (0: unlimited) including its newline, and where it ends."""
    found, state, points = 0, start, 0
    starter, mark = 0, 0
    while at < end:
        point, size = decode(data, at, end)
        properties = int(peek(rules.properties, point))
        state = int(peek(rules.following, state + (properties & KIND))) if rules.following.size > 1 else state
        if properties > KIND:
            if properties & ENTITY:
                found |= ENTITY if _is_entity(data, at, end) else 0
            elif properties & MARK:
                combining, second = int(rules.marks[point]), rules.seconds[point]
                if (combining and mark > combining) or (second and rules.pairs[rules.firsts[starter], second]):
                    found |= LOOSE
                mark = combining
                starter = starter if combining else point
                found |= properties & CHANGES
            else:
                found |= properties & (CHANGES | ANGLE | ESCAPE)
                starter, mark = point, 0
        else:
            starter, mark = point, 0
        at += size
        points += 1
        if most and (point == 10 or points == most):
            break
    return (found | BAD if state == 0 else found), at


@helper
def _replace(rules: Any, data: Any, at: int, end: int, out: Any, to: int) -> int:
    """Copy with the characters replaced; returns the end, or -1 if there is not enough space."""
    while at < end:
        point, size = decode(data, at, end)
        number = int(peek(rules.numbers, point))
        if number == 0:
            if to + size > out.size:
                return -1
            for i in range(size):
                out[to + i] = data[at + i]
            to += size
        elif not (point == 13 and at + 1 < end and data[at + 1] == 10):
            first, last = rules.ends[number - 1], rules.ends[number]
            if to + last - first > out.size:
                return -1
            for i in range(first, last):
                out[to] = rules.new[i]
                to += 1
        at += size
    return to


@kernel(void(RULES, i64, i64, read(u8), read(i64), write(u8), write(i64), write(i64, 2), write(i64)))
def repair_lines(
    rules: Any, start: int, most: int, data: Any, offsets: Any, out: Any, ends: Any, hard: Any, counts: Any
) -> None:
    """Write lines that cannot change or only need characters replaced to `out`, and list the others in `hard`.

    A line in `hard` is its row, its bounds in `data`, its position in `out`, and whether to decode its HTML entities.
    `counts`: the number of lines in `hard`, and of lines with replaced characters.
    """
    to, lines, replaced = 0, 0, 0
    for row in range(offsets.size - 1):
        ends[row] = to
        at, end, decodes = offsets[row], offsets[row + 1], True
        while at < end:
            found, stop = _scan(rules, start, data, at, end, most)
            decodes = decodes and found & ANGLE == 0
            wrong = BAD | ESCAPE | (ENTITY if decodes else 0)
            place = -1
            if found & (wrong | CHANGES | LOOSE) == 0:
                if to + stop - at <= out.size:
                    copy_bytes(data, at, stop - at, out, to)
                    place = to + stop - at
            elif found & wrong == 0 and found & CHANGES:
                place = _replace(rules, data, at, stop, out, to)
                if place >= 0 and _scan(rules, start, out, to, place, 0)[0] & (wrong | CHANGES | LOOSE):
                    place = -1
                replaced += place >= 0
            if place < 0:
                hard[lines, 0], hard[lines, 1], hard[lines, 2], hard[lines, 3], hard[lines, 4] = row, at, stop, to, decodes
                lines += 1
            else:
                to = place
            at = stop
    ends[offsets.size - 1] = to
    counts[0], counts[1] = lines, replaced


@kernel(void(read(u8), read(i64), read(i64, 2), read(u8), read(i64), write(u8), write(i64)))
def splice(data: Any, offsets: Any, hard: Any, fixed: Any, fixed_ends: Any, out: Any, ends: Any) -> None:
    """The rows with line i of `hard` inserted at its position: `fixed[fixed_ends[i]:fixed_ends[i + 1]]`."""
    to, line = 0, 0
    for row in range(offsets.size - 1):
        ends[row], at = to, offsets[row]
        while line < hard.shape[0] and hard[line, 0] == row:
            place, size = hard[line, 3], fixed_ends[line + 1] - fixed_ends[line]
            copy_bytes(data, at, place - at, out, to)
            to += place - at
            copy_bytes(fixed, fixed_ends[line], size, out, to)
            to, at, line = to + size, place, line + 1
        copy_bytes(data, at, offsets[row + 1] - at, out, to)
        to += offsets[row + 1] - at
    ends[offsets.size - 1] = to
