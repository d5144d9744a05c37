"""semanticDedup: reject rows with similar embeddings."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.errors import InputError
from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BLOCK = 1024
"""Number of rows to compare with all earlier rows of their bucket at once."""


class SemanticDedup(ColumnDedup):
    """Reject rows whose embedding has a cosine similarity of at least `threshold` to that of an earlier row.

    Candidates are rows on the same side of `bits` random hyperplanes in at least one of several draws, enough to find 98%
    of the pairs at the threshold. Their embeddings are then compared. The work grows with the square of the number of rows
    per bucket: use more `bits` for more rows. A row without an embedding (null, empty, all zeros, not finite) is kept.

    Example:

        - embed: {model: intfloat/multilingual-e5-small, column: text}
        - semanticDedup: {column: embedding, threshold: 0.95}
    """

    column: Column = Field(default="embedding", description="Column with embeddings: lists of numbers of equal length.")
    threshold: float = Field(default=0.95, gt=0, le=1, description="Minimum cosine similarity of duplicates.")
    bits: int = Field(default=16, ge=1, le=60, description="Number of hyperplanes per draw, about log2 of the number of rows.")
    seed: int = Field(default=1, ge=0, lt=2**32, description="Seed of the hyperplanes.")

    def confirms(self) -> bool:
        """Always: rows that share a bucket are only candidates."""
        return True

    def signatures(self, batch: base.Batch) -> pa.Table:
        """A key per draw of hyperplanes for each row that has an embedding."""
        import numpy as np

        from datajob.operators.dedup._hyperplanes import sides, tables_for
        from datajob.operators.dedup._linking import key_table

        vectors, there = self._vectors(batch)
        tables = tables_for(self.threshold, self.bits)
        if not there.any():
            return key_table(np.zeros((0, tables), np.uint64), np.zeros(0, np.int64))
        return key_table(sides(vectors[there], self.bits, tables, self.seed), np.flatnonzero(there))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """The buckets (`kept`) of each row that shares them with others."""
        import numpy as np
        import pyarrow as pa

        rows, keys = signatures.column("row").to_numpy(), signatures.column("key").to_numpy()
        _, bucket, count = np.unique(keys, return_inverse=True, return_counts=True)
        shared = count[bucket] > 1
        return pa.table({"row": pa.array(rows[shared]), "kept": pa.array(keys[shared].view(np.int64))})

    def evidence(self, batch: base.Batch) -> pa.Table:
        """The embeddings, normalized to length 1."""
        import numpy as np
        import pyarrow as pa

        vectors, _ = self._vectors(batch)
        values: Any = pa.array(np.ascontiguousarray(vectors).reshape(-1))
        return pa.table({"vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1])})

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The rows that are similar to an earlier row of their bucket."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._linking import groups_of

        evidence, groups = groups_of(evidence)
        values: Any = evidence.column("vector").combine_chunks()
        vectors = values.values.to_numpy().reshape(evidence.num_rows, -1)
        rows = evidence.column("row").to_numpy()
        pairs = [
            np.stack([rows[first:end][later], rows[first:end][earlier]], axis=1)
            for first, end in pairwise(groups)
            for later, earlier in self._near(vectors[first:end])
        ]
        found = np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 2), np.int64)
        return pa.table({"row": pa.array(found[:, 0]), "kept": pa.array(found[:, 1])})

    def _near(self, vectors: NDArray[np.float32]) -> Any:
        """For each block, the indices of vectors that are similar to an earlier one, and of the first such one."""
        import numpy as np

        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK]
            near = block @ vectors[: start + len(block)].T >= self.threshold - 1e-6
            near &= np.arange(near.shape[1])[None, :] < np.arange(start, start + len(block))[:, None]
            later = np.flatnonzero(near.any(axis=1))
            yield later + start, near[later].argmax(axis=1)

    def _vectors(self, batch: base.Batch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The embeddings normalized to length 1 (zeros where there is none), and which rows have one."""
        import numpy as np
        import pyarrow as pa

        array: Any = batch.array(self.column)
        kind = array.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise InputError(
                f"column `{self.column}` contains {kind}, but `semanticDedup` needs embeddings, which are lists of numbers."
            )
        array = array.cast(pa.large_list(pa.float32()))
        sizes = np.asarray(array.value_lengths().fill_null(0))
        there = sizes > 0
        dimensions = set(sizes[there].tolist())
        if len(dimensions) > 1:
            few, many = min(dimensions), max(dimensions)
            raise InputError(
                f"column `{self.column}` contains embeddings of {few} and of {many} numbers; all must have the same length."
            )
        vectors = np.zeros((len(array), max(dimensions, default=1)), np.float32)
        vectors[there] = np.asarray(array.drop_null().flatten().fill_null(np.nan)).reshape(int(there.sum()), -1)
        with np.errstate(all="ignore"):
            length = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1))
        there &= np.isfinite(length) & (length > 0)
        vectors[~there] = 0
        vectors[there] /= length[there, None]
        return vectors, there
