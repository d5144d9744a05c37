"""MurmurHash3 (x64, 128 bits; Austin Appleby, public domain) of each row of a column of bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from datajob.operators.kernels.jit import inline, kernel
from datajob.operators.kernels.types import i64, read, u64, void, write
from datajob.operators.kernels.utf8 import load64

C1, C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
F1, F2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
A1, A2, FIVE = np.uint64(0x52DCE729), np.uint64(0x38495AB5), np.uint64(5)


@inline
def _rotl(x: Any, bits: int) -> Any:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@inline
def _finish(x: Any) -> Any:
    x = (x ^ (x >> np.uint64(33))) * F1
    x = (x ^ (x >> np.uint64(33))) * F2
    return x ^ (x >> np.uint64(33))


@inline
def _rest(data: Any, start: int, stop: int) -> Any:
    """Fewer than nine bytes as a little-endian number."""
    value = np.uint64(0)
    for i in range(stop - start):
        value |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return value


@kernel(void(read(types.uint8), read(i64), write(u64), write(u64)))
def murmur128(data: Any, offsets: Any, high: Any, low: Any) -> None:
    """The two halves of the hash (seed 0) of `data[offsets[i]:offsets[i + 1]]` for each i."""
    for row in range(offsets.size - 1):
        at, end = offsets[row], offsets[row + 1]
        size = np.uint64(end - at)
        h1 = h2 = np.uint64(0)
        while at + 16 <= end:
            h1 ^= _rotl(load64(data, at) * C1, 31) * C2
            h1 = (_rotl(h1, 27) + h2) * FIVE + A1
            h2 ^= _rotl(load64(data, at + 8) * C2, 33) * C1
            h2 = (_rotl(h2, 31) + h1) * FIVE + A2
            at += 16
        if at + 8 < end:
            h2 ^= _rotl(_rest(data, at + 8, end) * C2, 33) * C1
        if at < end:
            h1 ^= _rotl(_rest(data, at, min(at + 8, end)) * C1, 31) * C2
        h1, h2 = h1 ^ size, h2 ^ size
        h1 += h2
        h2 += h1
        h1, h2 = _finish(h1), _finish(h2)
        h1 += h2
        high[row], low[row] = h1, h1 + h2


@kernel(void(read(u64), read(u64), read(i64), write(u64), write(u64)))
def fold128(high: Any, low: Any, offsets: Any, high_out: Any, low_out: Any) -> None:
    """One hash of each run of hashes `[offsets[i], offsets[i + 1])`, aware of order and length."""
    for row in range(offsets.size - 1):
        h1 = h2 = np.uint64(offsets[row + 1] - offsets[row])
        for i in range(offsets[row], offsets[row + 1]):
            h1, h2 = _finish(h1 * C1 + high[i]), _finish(h2 * C2 + low[i])
        high_out[row], low_out[row] = _finish(h1), _finish(h2)
