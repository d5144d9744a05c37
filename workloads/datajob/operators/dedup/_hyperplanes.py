"""Locality-sensitive hashing of vectors by their sides of random hyperplanes (Charikar 2002)."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOUND_AT_THRESHOLD = 0.98
MAX_TABLES = 512


def tables_for(threshold: float, bits: int) -> int:
    """The number of groups of `bits` hyperplanes that find 98% of the pairs whose cosine equals the threshold."""
    agree = (1.0 - math.acos(threshold) / math.pi) ** bits
    if agree >= FOUND_AT_THRESHOLD:
        return 1
    return min(MAX_TABLES, math.ceil(math.log(1.0 - FOUND_AT_THRESHOLD) / math.log1p(-agree)))


@cache
def hyperplanes(dimensions: int, count: int, seed: int) -> NDArray[np.float64]:
    """Normal vectors, uniformly distributed over all directions; shape (dimensions, count)."""
    import numpy as np

    from datajob.operators.dedup._linking import mixed

    drawn = mixed(np.arange(2 * dimensions * count, dtype=np.uint64), seed)
    uniform = ((drawn >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2.0 * np.log(uniform[0::2])), 2.0 * np.pi * uniform[1::2]
    return (radius * np.cos(angle)).reshape(dimensions, count)


def sides(vectors: NDArray[np.float32], bits: int, tables: int, seed: int) -> NDArray[np.uint64]:
    """A key per vector and table from the sides of its `bits` hyperplanes; shape (vectors, tables).

    Double precision makes the keys independent of the rest of the batch, unless a vector is within 1e-15 of a plane:
    matrix products round differently with their shape.
    """
    import numpy as np

    from datajob.operators.dedup._linking import mixed

    above = (vectors.astype(np.float64) @ hyperplanes(vectors.shape[1], bits * tables, seed) > 0).reshape(
        len(vectors), tables, bits
    )
    numbers = (above * (np.uint64(1) << np.arange(bits, dtype=np.uint64))).sum(axis=2, dtype=np.uint64)
    keys = [mixed(numbers[:, table], table) for table in range(tables)]
    return np.stack(keys, axis=1)
