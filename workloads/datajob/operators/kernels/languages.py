"""The fastText model lid.176: the mean vector of the words and character n-grams of a text decides at each node of a tree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from datajob.operators.kernels.arrays import BUCKETS, DIMENSIONS, LanguageModel
from datajob.operators.kernels.jit import helper, inline, kernel
from datajob.operators.kernels.types import TABLE, TEXT, f64, i32, i64, read, types, u64, void, write
from datajob.operators.kernels.unicode import SPACE
from datajob.operators.kernels.utf8 import decode, hash_bytes, peek

f32 = types.float32
MODEL = types.NamedTuple(
    (read(f32, 2), read(i32), read(u64), read(i32), i64, read(f32, 2), read(i32), read(i32)), LanguageModel
)
LESS, GREATER, LONGEST = ord("<"), ord(">"), 4
END = b"</s>"
LABEL = b"__label__"
OFFSET, PRIME = np.uint32(2166136261), np.uint32(16777619)
SMALL, LOWEST = 1e-5, math.log(1e-5)
"""The constant that fastText adds to a probability before its logarithm, and the minimum probability of a branch."""


@inline
def _add(total: Any, vectors: Any, row: int) -> None:
    for i in range(DIMENSIONS):
        total[i] += vectors[row, i]


@inline
def _mix(h: Any, byte: Any) -> Any:
    """FNV-1a as in fastText, with signed bytes."""
    return np.uint32((h ^ np.uint32(np.int32(np.int8(byte)))) * PRIME)


@helper
def _add_grams(data: Any, start: int, stop: int, model: Any, total: Any) -> int:
    """Add the vectors of the n-grams of `<word>` with two to four characters; returns their number."""
    found = 0
    begin = start - 1
    while begin < stop:
        h, n, at = OFFSET, 0, begin
        while n < LONGEST and at <= stop:
            byte = LESS if at < start else GREATER if at == stop else np.int64(peek(data, at))
            h = _mix(h, byte)
            at += 1
            while start < at < stop and (peek(data, at) & 0xC0) == 0x80:
                h = _mix(h, peek(data, at))
                at += 1
            n += 1
            if n > 1:
                row = model.grams[np.int64(h) % BUCKETS]
                if row >= 0:
                    _add(total, model.vectors, row)
                    found += 1
        begin += 1
        while start < begin < stop and (peek(data, begin) & 0xC0) == 0x80:
            begin += 1
    return found


@inline
def _word(data: Any, start: int, stop: int, model: Any) -> Any:
    """The row of a word, or -1."""
    h = hash_bytes(data, start, stop - start)
    mask = np.uint64(model.slots.size - 1)
    slot = h & mask
    while model.slots[slot]:
        if model.slots[slot] == h:
            return np.int64(model.words[slot])
        slot = (slot + np.uint64(1)) & mask
    return np.int64(-1)


@inline
def _begins(data: Any, start: int, stop: int, wanted: Any) -> Any:
    if stop - start < len(wanted):
        return False
    same = 0
    while same < len(wanted) and data[start + same] == wanted[same]:
        same += 1
    return same == len(wanted)


@helper
def _sum_of(data: Any, start: int, end: int, characters: int, table: Any, model: Any, total: Any) -> Any:
    """Add the vectors of a text; returns their number and whether the text has a word."""
    found, at, seen, some = 0, start, 0, False
    while at < end and seen < characters:
        first = at
        while at < end and seen < characters:
            point, size = decode(data, at, end)
            if point == 0 or table[point] & SPACE:
                break
            at += size
            seen += 1
        if at > first:
            some = True
            if at - first == len(END) and _begins(data, first, at, END):
                break
            if not _begins(data, first, at, LABEL):
                row = _word(data, first, at, model)
                if row >= 0:
                    _add(total, model.vectors, row)
                    found += 1
                found += _add_grams(data, first, at, model, total)
        if at < end and seen < characters:
            _, size = decode(data, at, end)
            at += size
            seen += 1
    if some:
        _add(total, model.vectors, model.end)
        found += 1
    return found, some


@helper
def _best(model: Any, mean: Any, nodes: Any, scores: Any) -> Any:
    """The most probable label and the logarithm of its probability, or -1; skips branches that cannot win."""
    labels = model.output.shape[0]
    label, best = np.int64(-1), LOWEST
    nodes[0], scores[0] = 2 * labels - 2, 0.0
    depth = 1
    while depth:
        depth -= 1
        node, score = nodes[depth], scores[depth]
        if score < best:
            continue
        if node < labels:
            label, best = np.int64(node), score
            continue
        product = np.float32(0)
        for i in range(DIMENSIONS):
            product += mean[i] * model.output[node - labels, i]
        right = 1.0 / (1.0 + math.exp(-np.float64(product)))
        on_left, on_right = score + math.log(1.0 - right + SMALL), score + math.log(right + SMALL)
        if right > 0.5:  # the more probable child is visited first
            nodes[depth], scores[depth] = model.left[node], on_left
            nodes[depth + 1], scores[depth + 1] = model.right[node], on_right
        else:
            nodes[depth], scores[depth] = model.right[node], on_right
            nodes[depth + 1], scores[depth + 1] = model.left[node], on_left
        depth += 2
    return label, best


@kernel(void(TEXT, TABLE, MODEL, i64, write(f32), write(i32), write(f64), write(i32), write(f64)))
def languages(
    text: Any, table: Any, model: Any, characters: int, mean: Any, nodes: Any, stack: Any, labels: Any, scores: Any
) -> None:
    """The label of each row (-1: none) and its probability, from its first `characters`. `mean`, `nodes` and `stack` are
    scratch: as long as a vector, and as there are nodes."""
    for row in range(text.offsets.size - 1):
        labels[row], scores[row] = -1, 0.0
        if not text.alive[row]:
            continue
        for i in range(DIMENSIONS):
            mean[i] = 0
        found, some = _sum_of(text.data, text.offsets[row], text.offsets[row + 1], characters, table, model, mean)
        if some:
            share = np.float32(1.0 / found)
            for i in range(DIMENSIONS):
                mean[i] *= share
            label, score = _best(model, mean, nodes, stack)
            labels[row] = label
            scores[row] = min(1.0, math.exp(score)) if label >= 0 else 0.0
