"""Lists of token ids as Arrow arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def slices(text: pa.Array[Any], size: int) -> Iterator[pa.Array[Any]]:
    """Adjacent parts of texts of about `size` bytes each; at least one."""
    import numpy as np
    import pyarrow.compute as pc

    ends = np.cumsum(np.asarray(pc.binary_length(text).fill_null(0), np.int64))
    start = 0
    while start < len(text) or not start:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + size, side="right")))
        yield text.slice(start, stop - start)
        start = stop


def token_lists(
    ids: Sequence[Sequence[int]], valid: pa.Array[Any], before: Sequence[int] = (), after: Sequence[int] = ()
) -> pa.Array[Any]:
    """One list of int32 per row, with tokens before and after each; null where `valid` is false."""
    import numpy as np
    import pyarrow as pa

    extra = len(before) + len(after)
    sizes = np.fromiter(map(len, ids), np.int64, len(ids)) + extra
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError("a batch has more than 2,147,483,647 tokens")
    values = np.empty(int(offsets[-1]), np.int32)
    inner = np.ones(len(values), bool)
    for at, token in enumerate(before):
        values[offsets[:-1] + at], inner[offsets[:-1] + at] = token, False
    for at, token in enumerate(reversed(after), 1):
        values[offsets[1:] - at], inner[offsets[1:] - at] = token, False
    values[inner] = np.fromiter(chain.from_iterable(ids), np.int32, int(inner.sum()))
    mask = pa.array(~np.asarray(valid.to_numpy(zero_copy_only=False), bool))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values), mask=mask)
