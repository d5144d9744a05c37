"""minhashDedup: reject near-duplicate documents, found by MinHash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup
from datajob.operators.dedup._bands import divide
from datajob.operators.dedup._shingles import NORMALIZE, Ngram, Normalize
from datajob.operators.strings.words import Tokenizer

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COMPARISONS = 4096


class MinhashDedup(ColumnDedup):
    """Reject documents whose n-grams have a Jaccard similarity of at least `threshold` to those of an earlier document.

    MinHash signatures yield candidates: documents with equal hashes in at least one of `bands` groups of `rows` hashes.
    With `verify`, candidates are then compared by their n-grams, and a document is rejected if it is similar to an earlier
    one, whether or not that one is kept. Each document is compared with at most 4096 others of its group of linked
    candidates. Without `verify`, only the first document of each group of linked candidates is kept, as in FineWeb; this
    also rejects many documents well below the threshold. A text with fewer words than an n-gram is rejected only if an
    earlier text has the same words. A text without words (null, empty, only punctuation) is always kept.

    Fraction of the pairs with a given Jaccard similarity that become candidates, 1 - (1 - similarity^rows)^bands:

    | Similarity | 0.5 | 0.6 | 0.7 | 0.75 | 0.8 | 0.85 | 0.9 |
    |---|---|---|---|---|---|---|---|
    | 18 x 6 (default) | 25% | 58% | 89% | 97% | 99.6% | 100% | 100% |
    | 14 x 8 (FineWeb) | 5% | 21% | 56% | 77% | 92% | 98.8% | 100% |

    Example:

        - minhashDedup: {threshold: 0.8, against: s3://lake/published/}
        - minhashDedup: {bands: 14, rows: 8, verify: false}      # as in FineWeb
    """

    links: ClassVar[bool] = True

    ngram: Ngram = Field(default=Ngram(), description="N-grams to compare.")
    threshold: float = Field(default=0.8, gt=0, le=1, description="Minimum Jaccard similarity of near-duplicates.")
    verify: bool = Field(
        default=True, description="Compare the n-grams of candidates, and reject only documents above the threshold."
    )
    permutations: int = Field(
        default=112, ge=1, le=1024, description="Number of hashes per document, if `bands` and `rows` are not set."
    )
    bands: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Number of groups of hashes. By default, `bands` and `rows` are derived from `permutations` and "
        "`threshold`: the largest groups that find 98% of the pairs at the threshold (18 x 6 for 112 hashes at 0.8; the "
        "14 x 8 of FineWeb find 92%).",
    )
    rows: int | None = Field(default=None, ge=1, le=1024, description="Number of hashes per group.")
    tokenizer: Tokenizer = "unicode"
    normalize: Normalize = Field(default="letters", description=NORMALIZE)
    seed: int = Field(default=1, ge=0, lt=2**63, description="Seed of the hashes.")

    @model_validator(mode="after")
    def _bands_with_rows(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("`bands` and `rows` must be set together")
        if self.bands is not None and self.rows is not None and self.bands * self.rows > 4096:
            raise ValueError(f"`bands` x `rows` is {self.bands * self.rows} hashes per document; the maximum is 4096")
        return self

    def banding(self) -> tuple[int, int]:
        """The number of bands and of rows per band."""
        return divide(self.permutations, self.threshold) if self.bands is None or self.rows is None else (self.bands, self.rows)

    def confirms(self) -> bool:
        """Whether candidates are compared by their n-grams."""
        return self.verify

    def signatures(self, batch: base.Batch) -> pa.Table:
        """A key per band for each row that has words."""
        import numpy as np

        from datajob.operators.dedup._bands import permutations
        from datajob.operators.dedup._linking import key_table
        from datajob.operators.dedup._shingles import folding
        from datajob.operators.kernels.minhash import band_keys
        from datajob.operators.strings.column import text_of

        bands, rows = self.banding()
        keys, any_words = np.empty((len(batch), bands), np.uint64), np.empty(len(batch), np.bool_)
        band_keys(
            text_of(batch, self.column, "replace"),
            folding(self.normalize, self.tokenizer),
            self.ngram.size,
            self.ngram.kind == "characters",
            *permutations(self.seed, bands * rows),
            rows,
            keys,
            any_words,
        )
        return key_table(keys[any_words], np.flatnonzero(any_words))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Edges between rows with a band in common."""
        from datajob.operators.dedup._linking import link_equal_keys

        return link_equal_keys(signatures)

    def evidence(self, batch: base.Batch) -> pa.Table:
        """The distinct n-grams of each row as 32-bit hashes, ascending."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._shingles import folding
        from datajob.operators.kernels.shingles import shingle_sets
        from datajob.operators.strings.column import text_of

        text = text_of(batch, self.column, "replace")
        bounds: Any = np.empty(len(batch) + 1, np.int64)
        sets: Any = np.empty(int(text.offsets[-1] - text.offsets[0]), np.uint32)
        characters = self.ngram.kind == "characters"
        filled = shingle_sets(text, folding(self.normalize, self.tokenizer), self.ngram.size, characters, bounds, sets)
        return pa.table({"ngrams": pa.LargeListArray.from_arrays(pa.array(bounds), pa.array(sets[:filled]))})

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The rows that are similar to an earlier row of their component."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._linking import groups_of
        from datajob.operators.kernels.shingles import first_similar

        evidence, groups = groups_of(evidence)
        ngrams: Any = evidence.column("ngrams").combine_chunks()
        sets, bounds = ngrams.values.to_numpy(), ngrams.offsets.to_numpy()
        repeats = np.empty(evidence.num_rows, np.int64)
        for array in (sets, bounds, groups):
            array.flags.writeable = False
        first_similar(sets, bounds, groups, self.threshold, MAX_COMPARISONS, repeats)
        rows, found = evidence.column("row").to_numpy(), np.flatnonzero(repeats >= 0)
        return pa.table({"row": pa.array(rows[found]), "kept": pa.array(rows[repeats[found]])})
