"""Types for the signatures of kernels: arrays are contiguous, inputs are read-only."""

from __future__ import annotations

from typing import Any

from numba.core import types as numba_types

from datajob.operators.kernels.arrays import Text, Words

types: Any = numba_types
i8, i32, i64, u8, u32, u64 = types.int8, types.int32, types.int64, types.uint8, types.uint32, types.uint64
f32, f64 = types.float32, types.float64
boolean, void = types.boolean, types.void


def read(kind: Any, dimensions: int = 1) -> Any:
    """A read-only array."""
    return types.Array(kind, dimensions, "C", readonly=True)


def write(kind: Any, dimensions: int = 1) -> Any:
    """An array that the kernel fills."""
    return types.Array(kind, dimensions, "C")


TABLE = read(types.uint16)
SENTENCES = read(types.uint8)
"""The classes of `sentence_classes`, or none where sentences are those of datatrove."""
CODES = write(i8)
TEXT = types.NamedTuple((read(types.uint8), read(i64), read(boolean)), Text)
_WORDS = (i64, i32, i32, i32, types.uint8, u64, i64, i32)
WORDS = types.NamedTuple((*(read(kind) for kind in _WORDS), read(i64, 2)), Words)
NEW_WORDS = types.NamedTuple((*(write(kind) for kind in _WORDS), write(i64, 2)), Words)
