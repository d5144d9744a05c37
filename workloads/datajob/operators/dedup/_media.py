"""What deduplications of media have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.operators.media.bases import one_per_row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch
    from datajob.operators.media.bases import MediaSignature


def signed(step: MediaSignature, batch: Batch, key: str) -> list[Any]:
    """The value of the media of each row, None for rows that fail. Raises InputError for lists; `key` names the operator."""
    one_per_row(step.column, batch.table.schema.field(step.column).type, step.kind, key)
    return step.signed(batch)


def in_order_of_preference(evidence: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """The rows of each group, and the bounds of the groups.

    First an existing corpus, then by preference with NaN last, then by position.
    """
    import numpy as np
    import pyarrow as pa

    from datajob.operators.dedup._linking import groups_of

    rows, keys = evidence.column("row").to_numpy(), evidence.column("key").to_numpy()
    order = np.lexsort((rows, -evidence.column("preference").to_numpy(), rows >= 0, keys))
    return groups_of(evidence.take(pa.array(order)))


def repeats(evidence: pa.Table, kept: NDArray[np.int64]) -> pa.Table:
    """The rows that are not kept, with the row that is, from the position of that row; -1 for a row that is kept."""
    import numpy as np
    import pyarrow as pa

    rows, found = evidence.column("row").to_numpy(), np.flatnonzero(kept >= 0)
    return pa.table({"row": pa.array(rows[found]), "kept": pa.array(rows[kept[found]])})


def first_of_each(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of the first row of the group of each row; -1 for that row."""
    import numpy as np

    kept = np.repeat(groups[:-1], np.diff(groups))
    kept[groups[:-1]] = -1
    return kept
