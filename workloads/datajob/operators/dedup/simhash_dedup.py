"""simhashDedup: documents whose 64-bit fingerprints are nearly the same."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.dedup._against import Against, older_corpus
from datajob.operators.dedup._shingles import NORMALIZE, Ngram, Normalize
from datajob.operators.strings.words import Tokenizer
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BITS = 64


class SimhashDedup(base.Deduplicate):
    """Drop documents whose SimHash differs in at most `distance` of 64 bits from that of an earlier one.

    All such documents are found: when 64 bits are cut in `blocks`, two hashes within the distance agree in
    `blocks - distance` of them, by whatever choice of which they are exchanged (Manku et al. 2007). Cheaper and coarser
    than minhashDedup. A text without a word (null, empty, only marks) is kept; short texts that differ may be near.

    Example:

        - simhashDedup: {distance: 3}
    """

    column: Column = Field(default="text", description="The text.")
    ngram: Ngram = Field(default=Ngram(size=6), description="What texts are compared by.")
    distance: int = Field(default=4, ge=0, le=7, description="Most bits that differ between duplicates.")
    blocks: int = Field(
        default=6,
        ge=1,
        le=12,
        description="Parts that the bits are cut in; more than `distance`. More of them move more and compare less.",
    )
    tokenizer: Tokenizer = "unicode"
    normalize: Normalize = Field(default="letters", description=NORMALIZE)
    against: Against = None

    @model_validator(mode="after")
    def _more_blocks_than_distance(self) -> Self:
        if self.blocks <= self.distance:
            raise ValueError(f"`blocks` ({self.blocks}) must be more than `distance` ({self.distance})")
        return self

    def side_sources(self) -> tuple[Any, ...]:
        """The older corpus."""
        return older_corpus(self.against, (self.column,))

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
        simhashes(text_of(batch, self.column), fold, self.ngram.size, self.ngram.kind == "characters", hashes, any_words)
        hashes = hashes[any_words]
        keys = self._keys(hashes)
        table = key_table(keys, np.flatnonzero(any_words))
        return table.append_column("hash", pa.array(np.repeat(hashes, keys.shape[1])))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Rows whose hash is near that of an earlier one that agrees in the same blocks."""
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
        """For each hash and each choice of `blocks - distance` blocks a mixture of their bits; shape (hashes, choices)."""
        import numpy as np

        from datajob.operators.dedup._linking import mixed

        choices = list(combinations(range(self.blocks), self.blocks - self.distance))
        bounds = [BITS * block // self.blocks for block in range(self.blocks + 1)]
        masks = [sum((1 << bounds[b + 1]) - (1 << bounds[b]) for b in choice) for choice in choices]
        keys = np.empty((len(hashes), len(choices)), np.uint64)
        for i, mask in enumerate(masks):
            keys[:, i] = mixed(hashes & np.uint64(mask), i)
        return keys
