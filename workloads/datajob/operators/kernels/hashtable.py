"""An open-addressing set of 64-bit hashes in an array of the caller; 0 marks a free slot."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import inline


@inline
def capacity_for(entries: int) -> int:
    """The smallest power of two that keeps the table at most half full."""
    capacity = 8
    while capacity < 2 * entries:
        capacity *= 2
    return capacity


@inline
def find_or_add(keys: Any, capacity: int, key: Any) -> Any:
    """The slot of `key` among the first `capacity` slots, and whether it was new."""
    if key == np.uint64(0):
        key = np.uint64(1)
    mask = np.uint64(capacity - 1)
    slot = (key ^ (key >> np.uint64(29))) & mask
    while keys[slot] != key:
        if keys[slot] == np.uint64(0):
            keys[slot] = key
            return np.int64(slot), True
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot), False


@inline
def contains(keys: Any, key: Any) -> bool:
    """Whether `key` is in a table that uses all of its slots, a power of two."""
    if key == np.uint64(0):
        key = np.uint64(1)
    mask = np.uint64(keys.size - 1)
    slot = (key ^ (key >> np.uint64(29))) & mask
    while keys[slot] != np.uint64(0):
        if keys[slot] == key:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False
