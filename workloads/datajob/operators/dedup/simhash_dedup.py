"""simhashDedup: reject near-duplicate documents, found by SimHash."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup
from datajob.operators.dedup._shingles import NORMALIZE, Ngram, Normalize
from datajob.operators.strings.words import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BITS = 64


class SimhashDedup(ColumnDedup):
    """Reject documents whose SimHash differs in at most `distance` of 64 bits from that of an earlier document.

    All such documents are found: two hashes within the distance agree in at least `blocks - distance` of `blocks` blocks,
    and documents are compared for every choice of blocks that may agree (Manku et al. 2007). `simhashDedup` is cheaper and
    less precise than `minhashDedup`: short texts with similar hashes may differ. A text without words (null, empty, only
    punctuation) is kept.

    Example:

        - simhashDedup: {distance: 3}
    """

    ngram: Ngram = Field(default=Ngram(size=6), description="N-grams to compare.")
    distance: int = Field(default=4, ge=0, le=7, description="Maximum number of bits that differ between duplicates.")
    blocks: int = Field(
        default=6,
        ge=1,
        le=12,
        description="Number of blocks of bits; must exceed `distance`. More blocks move more data and compare fewer documents.",
    )
    tokenizer: Tokenizer = "unicode"
    normalize: Normalize = Field(default="letters", description=NORMALIZE)

    @model_validator(mode="after")
    def _more_blocks_than_distance(self) -> Self:
        if self.blocks <= self.distance:
            raise ValueError(f"`blocks` ({self.blocks}) must be greater than `distance` ({self.distance})")
        return self

    def signatures(self, batch: base.Batch) -> pa.Table:
        """The hash of each row that has words, once for each choice of blocks that may agree."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._linking import key_table
        from datajob.operators.dedup._shingles import folding
        from datajob.operators.kernels.simhash import simhashes
        from datajob.operators.strings.column import text_of

        hashes, any_words = np.empty(len(batch), np.uint64), np.empty(len(batch), np.bool_)
        fold = folding(self.normalize, self.tokenizer)
        simhashes(
            text_of(batch, self.column, "replace"), fold, self.ngram.size, self.ngram.kind == "characters", hashes, any_words
        )
        hashes = hashes[any_words]
        keys = self._keys(hashes)
        table = key_table(keys, np.flatnonzero(any_words))
        return table.append_column("hash", pa.array(np.repeat(hashes, keys.shape[1])))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Rows whose hash is near that of an earlier row with the same blocks."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._linking import groups_of
        from datajob.operators.kernels.simhash import first_near

        signatures, groups = groups_of(signatures)
        hashes, rows = signatures.column("hash").to_numpy(), signatures.column("row").to_numpy()
        hashes.flags.writeable = groups.flags.writeable = False
        repeats = np.empty(len(hashes), np.int64)
        first_near(hashes, groups, self.distance, repeats)
        found = np.flatnonzero(repeats >= 0)
        return pa.table({"row": pa.array(rows[found]), "kept": pa.array(rows[repeats[found]])})

    def _keys(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """A hash of the bits of each choice of `blocks - distance` blocks; shape (hashes, choices)."""
        import numpy as np

        from datajob.operators.dedup._linking import mixed

        choices = list(combinations(range(self.blocks), self.blocks - self.distance))
        bounds = [BITS * block // self.blocks for block in range(self.blocks + 1)]
        masks = [sum((1 << bounds[b + 1]) - (1 << bounds[b]) for b in choice) for choice in choices]
        keys = np.empty((len(hashes), len(choices)), np.uint64)
        for i, mask in enumerate(masks):
            keys[:, i] = mixed(hashes & np.uint64(mask), i)
        return keys
