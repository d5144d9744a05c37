"""Hashes that differ in few bits, found in groups that agree in some of their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import helper, inline, kernel
from datajob.operators.kernels.types import boolean, f64, i64, read, u64, void, write

WORD = 64
_MAX_WIDTH = 16
_MAX_PROBES = 1 + _MAX_WIDTH + _MAX_WIDTH * (_MAX_WIDTH - 1) // 2
LARGE = 4096
"""Groups of more hashes are worth several passes, which compare all pairs that can be near."""


@inline
def different_bits(left: Any, right: Any) -> int:
    """The number of different bits of two words."""
    x = left ^ right
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inline
def _near(left: Any, right: Any, limit: int) -> bool:
    total = 0
    for word in range(left.size):
        total += different_bits(left[word], right[word])
        if total > limit:
            return False
    return True


@inline
def _bit(hashed: Any, bit: int) -> Any:
    """Bit 0 is the highest of the first word."""
    return (hashed[bit // WORD] >> np.uint64(WORD - 1 - bit % WORD)) & np.uint64(1)


@helper
def _sort_by_cell(hashes: Any, begin: int, size: int, chosen: Any, cells: Any, starts: Any, order: Any) -> None:
    """Sort the hashes of a group by the chosen bits: those of cell c are `order[starts[c]:starts[c + 1]]`."""
    count = 1 << chosen.size
    starts[: count + 1] = 0
    for i in range(size):
        cell = np.uint64(0)
        for bit in chosen:
            cell = cell << np.uint64(1) | _bit(hashes[begin + i], bit)
        cells[i] = np.int64(cell)
        starts[cells[i] + 1] += 1
    for cell in range(count):
        starts[cell + 1] += starts[cell]
    for i in range(size - 1, -1, -1):
        starts[cells[i] + 1] -= 1
        order[starts[cells[i] + 1]] = i
    for cell in range(count):
        starts[cell] = starts[cell + 1]
    starts[count] = size


@helper
def _first(parents: Any, i: int) -> int:
    """The first hash of the component of hash i."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@helper
def _neighbors(width: int, radius: int, masks: Any) -> int:
    """Fill in what separates a cell from those that differ in at most `radius` (1 or 2) of `width` bits; returns how many."""
    masks[0], found = 0, 1
    for bit in range(width if radius > 0 else 0):
        masks[found] = 1 << bit
        found += 1
    for high in range(width if radius > 1 else 0):
        for low in range(high):
            masks[found] = 1 << high | 1 << low
            found += 1
    return found


@inline
def _width(bits: int, size: int) -> int:
    """The number of bits that divide `size` hashes into cells of about two, at most `bits`."""
    width = 0
    while width < min(bits, _MAX_WIDTH) and (2 << width) <= size:
        width += 1
    return width


@helper
def _radius(known: int, limit: int, size: int) -> int:
    """Whether to compare hashes in cells that differ in up to 1 or 2 bits: whichever compares fewer.

    With radius r, `limit // (r + 1) + 1` parts of the bits are searched. If few bits divide the hashes, fewer and wider parts
    with more cells each are faster.
    """
    one, two = limit // 2 + 1, limit // 3 + 1
    first, second = _width(known // one, size), _width(known // two, size)
    narrow = one * (1 + first) / (1 << first)
    wide = two * (1 + second + second * (second - 1) / 2) / (1 << second)
    return 2 if limit > 1 and wide < narrow else min(limit, 1)


@helper
def _link_cells(
    hashes: Any, limit: int, masks: Any, cells: Any, starts: Any, ends: Any, order: Any, stack: Any, parents: Any
) -> None:
    """A depth-first search: what is near a hash leaves its cell, so that no pair is compared twice.

    In dense clusters, each step goes as far as it can and finds many hashes that no earlier step was near.
    """
    for cell in range(ends.size):
        while ends[cell] > starts[cell]:
            ends[cell] -= 1
            stack[0], waiting = order[ends[cell]], 1
            while waiting:
                waiting -= 1
                pivot = stack[waiting]
                for mask in masks:
                    other = cells[pivot] ^ mask
                    at = starts[other]
                    while at < ends[other]:
                        candidate = order[at]
                        if _near(hashes[pivot], hashes[candidate], limit):
                            left, right = _first(parents, pivot), _first(parents, candidate)
                            parents[max(left, right)] = min(left, right)
                            stack[waiting] = candidate
                            waiting += 1
                            ends[other] -= 1
                            order[at] = order[ends[other]]
                        else:
                            at += 1


@helper
def _informative_bits(hashes: Any, bits: int, ranked: Any, uses: Any) -> int:
    """Rank the bits by how evenly they divide the hashes; returns the number of those that divide them at all."""
    for bit in range(bits):
        ones = 0
        for i in range(hashes.shape[0]):
            ones += np.int64(_bit(hashes[i], bit))
        uses[bit] = min(ones, hashes.shape[0] - ones)
    found = 0
    for bit in range(bits):
        at = found
        if uses[bit] > 0:
            while at > 0 and uses[ranked[at - 1]] < uses[bit]:
                ranked[at] = ranked[at - 1]
                at -= 1
            ranked[at] = bit
            found += 1
    return found


@kernel(void(read(u64, 2), i64, read(i64), read(boolean), read(i64), read(i64), i64, write(i64)), allocates=True)
def link_near(hashes: Any, bits: int, groups: Any, known: Any, first_bits: Any, widths: Any, limit: int, links: Any) -> None:
    """Connect the hashes of `bits` bits of each group that differ in at most `limit` bits, unless the group is `known`.

    Group g consists of the hashes `groups[g]:groups[g + 1]`. In a small group, hashes are compared only if they differ in at
    most one of the `widths[g]` bits from `first_bits[g]` on. In a large group, the bits that divide it best are dealt to parts:
    hashes within the limit differ in at most 1 (or 2) bits of at least one part (Norouzi et al. 2012).
    `links[i]` becomes the first hash of the component of hash i.
    """
    largest = 1
    for g in range(groups.size - 1):
        largest = max(largest, groups[g + 1] - groups[g])
    cells, order, stack = np.empty(largest, np.int64), np.empty(largest, np.int64), np.empty(largest, np.int64)
    parents, ranked, uses = np.empty(largest, np.int64), np.empty(bits, np.int64), np.empty(bits, np.int64)
    starts, ends = np.empty((1 << _MAX_WIDTH) + 1, np.int64), np.empty(1 << _MAX_WIDTH, np.int64)
    masks = np.empty(_MAX_PROBES, np.int64)
    for g in range(groups.size - 1):
        begin, size = groups[g], groups[g + 1] - groups[g]
        group = hashes[begin : begin + size]
        for i in range(size):
            parents[i] = i
        if size > LARGE:
            informative = _informative_bits(group, bits, ranked, uses)
            radius = _radius(informative, limit, size)
            passes = limit // (radius + 1) + 1
        else:
            informative, radius, passes = widths[g], min(limit, 1), 1
            for i in range(informative):
                ranked[i] = first_bits[g] + i
        for part in range(passes if size > 1 and not known[g] else 0):
            dealt = ranked[part:informative:passes]
            chosen = dealt[: _width(dealt.size, size)].copy()
            _sort_by_cell(hashes, begin, size, chosen, cells, starts, order)
            ends[: 1 << chosen.size] = starts[1 : (1 << chosen.size) + 1]
            near = masks[: _neighbors(chosen.size, radius, masks)]
            _link_cells(group, limit, near, cells, starts, ends[: 1 << chosen.size], order, stack, parents)
        for i in range(size):
            links[begin + i] = begin + _first(parents, i)


@kernel(void(read(u64, 2), read(i64), read(boolean), i64, write(i64)))
def first_kept(hashes: Any, groups: Any, always: Any, limit: int, near: Any) -> None:
    """For each hash, the first earlier one of its group that is kept and differs in at most `limit` bits; -1 keeps the hash.

    Hashes that are `always` kept have -1, too.
    """
    for g in range(groups.size - 1):
        for i in range(groups[g], groups[g + 1]):
            near[i] = -1
            for j in range(groups[g], i if not always[i] else groups[g]):
                if near[j] == -1 and _near(hashes[i], hashes[j], limit):
                    near[i] = j
                    break


@inline
def _nearest(hashed: Any, others: Any, limit: int) -> int:
    """The position of the first hash that differs in at most `limit` bits, or the number of `others`."""
    at = 0
    while at < others.shape[0] and not _near(hashed, others[at], limit):
        at += 1
    return at


@kernel(void(read(u64, 2), read(i64), read(i64), read(boolean), i64, f64, write(i64)))
def first_containing(hashes: Any, sets: Any, groups: Any, always: Any, limit: int, share: float, found: Any) -> None:
    """For each set of hashes, the first earlier one of its group that is kept and contains at least a `share` of it; or -1.

    Set s consists of the hashes `sets[s]:sets[s + 1]`; a hash is contained if one differs in at most `limit` bits. Empty sets
    and those that are `always` kept have -1.
    """
    for g in range(groups.size - 1):
        for s in range(groups[g], groups[g + 1]):
            found[s] = -1
            size = sets[s + 1] - sets[s]
            for other in range(groups[g], s if size and not always[s] else groups[g]):
                if found[other] >= 0:
                    continue
                spare = size - np.ceil(share * size - 1e-9)
                for i in range(sets[s], sets[s + 1]):
                    if _nearest(hashes[i], hashes[sets[other] : sets[other + 1]], limit) == sets[other + 1] - sets[other]:
                        spare -= 1
                        if spare < 0:
                            break
                if spare >= 0:
                    found[s] = other
                    break
