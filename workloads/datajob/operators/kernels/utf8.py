"""Operations on bytes: unaligned loads, UTF-8 decoding within a row, hashing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic as numba_intrinsic

from datajob.operators.kernels.jit import inline

MIX = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(32)


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's decorator; the function gets the types of the arguments."""
    return numba_intrinsic(function)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def peek(_context: Any, array: Any, index: Any) -> Any:
    """`array[index]` for a non-negative index."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature, arguments))

    return array.dtype(array, types.intp), generate


@intrinsic
def load64(_context: Any, array: Any, index: Any) -> Any:
    """The 8 bytes of a uint8 array at `index` as a number; the caller ensures that `index + 8` is within the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature, arguments), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(array, types.intp), generate


@intrinsic
def trailing_zeros(_context: Any, value: Any) -> Any:
    """The number of trailing zero bits of a 64-bit number; 64 for 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def store64(_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write 8 bytes of a uint8 array at `index`; the caller ensures that `index + 8` is within the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature, arguments), ir.IntType(64).as_pointer())
        builder.store(arguments[2], address, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


@inline
def copy_bytes(data: Any, start: int, size: int, out: Any, at: int) -> None:
    """Copy `size` bytes, and up to 7 more if there is space; for short pieces."""
    copied = 0
    while copied < size and start + copied + 8 <= data.size and at + copied + 8 <= out.size:
        store64(out, at + copied, load64(data, start + copied))
        copied += 8
    while copied < size:
        out[at + copied] = data[start + copied]
        copied += 1


_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_HIGH = np.uint64(0x8080808080808080)
_CASE = np.uint64(0x2020202020202020)
_ONES = np.uint64(0x0101010101010101)
# Added to a byte below 128, each sets its high bit from the named character on.
_FROM_A, _AFTER_Z = np.uint64(0x80 - ord("a")) * _ONES, np.uint64(0x80 - ord("z") - 1) * _ONES
_FROM_0, _AFTER_9 = np.uint64(0x80 - ord("0")) * _ONES, np.uint64(0x80 - ord("9") - 1) * _ONES


@inline
def ascii_run(data: Any, at: int, end: int, digits: bool) -> Any:
    """The number of consecutive ASCII letters (and digits) from `at`, and whether one is a letter.

    Reads eight bytes at a time; the caller handles the last seven bytes before `end`.
    """
    begun, letters = at, np.uint64(0)
    while at + 8 <= end:
        eight = load64(data, at)
        seven = eight & _LOW
        lower = seven | _CASE
        found = (lower + _FROM_A) & ~(lower + _AFTER_Z) & ~eight & _HIGH
        wanted = found
        if digits:
            wanted |= (seven + _FROM_0) & ~(seven + _AFTER_9) & ~eight & _HIGH
        stop = wanted ^ _HIGH
        if stop == np.uint64(0):
            letters |= found
            at += 8
            continue
        bits = trailing_zeros(stop)  # the bits of the first byte that ends the run, and its seven lower bits
        letters |= found & ((np.uint64(1) << bits) - np.uint64(1))
        at += np.int64(bits >> np.uint64(3))
        break
    return at - begun, letters != np.uint64(0)


@inline
def decode(data: Any, at: int, end: int) -> Any:
    """The code point at `at` and its length in bytes; an invalid sequence is U+FFFD of one byte."""
    lead = np.int64(peek(data, at))
    if lead < 0x80:
        return lead, 1
    if 0xC2 <= lead < 0xE0:
        if at + 1 < end:
            return (lead & 0x1F) << 6 | (np.int64(peek(data, at + 1)) & 0x3F), 2
    elif 0xE0 <= lead < 0xF0:
        if at + 2 < end:
            return (lead & 0x0F) << 12 | (np.int64(peek(data, at + 1)) & 0x3F) << 6 | (np.int64(peek(data, at + 2)) & 0x3F), 3
    elif 0xF0 <= lead < 0xF5 and at + 3 < end:
        point = (
            (lead & 0x07) << 18
            | (np.int64(peek(data, at + 1)) & 0x3F) << 12
            | (np.int64(peek(data, at + 2)) & 0x3F) << 6
            | (np.int64(peek(data, at + 3)) & 0x3F)
        )
        return min(point, 0x10FFFF), 4
    return 0xFFFD, 1


@inline
def hash_bytes(data: Any, start: int, size: int) -> Any:
    """A 64-bit hash of `size` bytes from `start`."""
    h = MIX ^ np.uint64(size)
    at, end = start, start + size
    while at + 8 <= end:
        h = (h ^ load64(data, at)) * MIX
        h ^= h >> SHIFT
        at += 8
    if at < end:
        rest = np.uint64(0)
        if at + 8 <= data.size:
            rest = load64(data, at) & ((np.uint64(1) << np.uint64(8 * (end - at))) - np.uint64(1))
        else:
            for i in range(end - at):
                rest |= np.uint64(data[at + i]) << np.uint64(8 * i)
        h = (h ^ rest) * MIX
        h ^= h >> SHIFT
    h *= MIX
    return h ^ (h >> SHIFT)


@inline
def combine(left: Any, right: Any) -> Any:
    """A 64-bit hash of an ordered pair of hashes."""
    h = (left * MIX + right) * MIX
    return h ^ (h >> SHIFT)


@inline
def count_points(data: Any, start: int, size: int) -> int:
    """The number of code points in `size` bytes: all but continuation bytes."""
    n = 0
    for i in range(start, start + size):
        n += (data[i] & 0xC0) != 0x80
    return n
