"""Edges between rows that share a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def mixed(keys: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """A bijection of 64-bit numbers for each `salt` that spreads them over any number of partitions."""
    import numpy as np

    shift, factor = np.uint64(32), np.uint64(0x9E3779B97F4A7C15)
    x = (keys ^ np.uint64((salt + 1) * 0xD6E8FEB86659FD93 & (2**64 - 1))) * factor
    x = (x ^ (x >> shift)) * factor
    return x ^ (x >> shift)


def key_table(keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> pa.Table:
    """Signatures with the keys `keys[i, :]` for each of the positions `rows`."""
    import numpy as np
    import pyarrow as pa

    return pa.table(
        {
            "row": pa.array(np.repeat(rows.astype(np.uint32), keys.shape[1])),
            "key": pa.array(np.ascontiguousarray(keys).reshape(-1)),
        }
    )


def link_equal_keys(signatures: pa.Table) -> pa.Table:
    """Edges from each row to the first row with the same key: one star per key instead of all pairs.

    A row that has the same key twice has an edge to itself.
    """
    import numpy as np
    import pyarrow as pa

    rows, keys = signatures.column("row").to_numpy(), signatures.column("key").to_numpy()
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    first = rows[np.flatnonzero(new)[np.cumsum(new) - 1]] if len(rows) else rows
    pairs = np.unique(np.stack([rows[~new], first[~new]], axis=1), axis=0)
    return pa.table({"row": pa.array(pairs[:, 0]), "kept": pa.array(pairs[:, 1])})


def groups_of(evidence: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """The evidence sorted by group (`key`), rows in order within each, and the bounds of the groups."""
    import numpy as np
    import pyarrow as pa

    keys = evidence.column("key").to_numpy()
    order: Any = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]])) if len(keys) else np.zeros(1, np.int64)
    return evidence.take(pa.array(order)), starts.astype(np.int64)
