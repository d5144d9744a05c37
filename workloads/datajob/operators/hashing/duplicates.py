"""Rejection of equal rows by signatures with 128-bit hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.hashing.rows import Hashes


def hash_signatures(hashes: Hashes, rows: NDArray[Any] | None = None, score: pa.Array[Any] | None = None) -> pa.Table:
    """Columns `row`, `key`, `check` (the second half of the hash) and `score`; only for the positions `rows`, if given."""
    import numpy as np
    import pyarrow as pa

    chosen = np.arange(len(hashes.high)) if rows is None else rows
    columns: dict[str, Any] = {
        "row": chosen.astype(np.uint32),
        "key": hashes.high[chosen],
        "check": hashes.low[chosen],
    }
    if score is not None:
        columns["score"] = score.take(chosen)
    return pa.table(columns)


def drop_equal(signatures: pa.Table) -> pa.Table:
    """All rows but the one to keep of each hash: the one with the highest `score` (nulls lowest), otherwise the first.

    A row from before the input (a negative id) goes before all others.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    signatures = signatures.append_column("ours", pa.array(signatures.column("row").to_numpy() >= 0))
    score = ["score"] if "score" in signatures.column_names else []
    keys: Any = [(n, "descending" if n in score else "ascending", "at_end") for n in ("key", "check", "ours", *score, "row")]
    order = pc.sort_indices(signatures, sort_keys=keys)
    row, key, check = (np.asarray(signatures.column(name).take(order)) for name in ("row", "key", "check"))
    first = np.ones(len(row), bool)
    first[1:] = (key[1:] != key[:-1]) | (check[1:] != check[:-1])
    leader = row[np.flatnonzero(first)[np.cumsum(first) - 1]] if len(row) else row
    found: dict[str, Any] = {"row": row[~first].astype(np.int64), "kept": leader[~first].astype(np.int64)}
    return pa.table(found)
