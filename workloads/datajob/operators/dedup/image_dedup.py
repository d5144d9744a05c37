"""imageDedup: reject images that look like others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup, corpus_reader
from datajob.operators.media.image import MAX_PIXELS
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.dedup._image_hash import ImageHash

_DISTANCES = {"phash": 5, "dhash": 5, "pdq": 31}
_PDQ_BITS = 256


class ImageDedup(ColumnDedup):
    """Reject images whose perceptual hash differs in at most `distance` bits from that of another image.

    All such pairs are found, in any part of the input and regardless of their number. Only hashes move between workers.

    | Method | Bits | `distance` | Definition |
    |---|---|---|---|
    | `phash` | `size` x `size` | 5, as in MMC4 | `imagehash.phash`: low frequencies. Tolerates scaling and compression |
    | `dhash` | `size` x `size` | 5 | `imagehash.dhash`: gradients. The fastest; plain backgrounds look alike |
    | `pdq` | 256 | 31 | Meta's PDQ: the fewest false matches. Images with a `quality` below the limit are kept |

    With `grouping: components`, images that are linked by a chain of similar images form a group, and one image of each group
    is kept. With `firstCome`, images are compared in the order of preference, and an image is rejected only if it is similar
    to an image that is kept. `keep` is the preference: the `first` image, the `largest` (in pixels), or the `best`, which has
    the highest number in the column `by`. Images of an existing corpus (`against`) are preferred to all others.

    Images without structure have equal hashes: use `blankImage` before this step. Other tools compare hashes for equality,
    such as Data-Juicer's `image_deduplicator`: set `distance: 0` for the same result.

    Example:

        - imageDedup: {method: pdq, keep: largest}
        - imageDedup: {distance: 10, keep: best, by: aesthetics, against: s3://lake/published/}
    """

    links: ClassVar[bool] = True

    column: Column = Field(
        default="image", description="Column with an image: encoded bytes, a path or URL, or a struct of both."
    )
    method: Literal["phash", "dhash", "pdq"] = Field(default="phash", description="The perceptual hash.")
    size: int = Field(
        default=8, ge=4, le=16, description="Side of the hash for `phash` and `dhash`; it has `size` x `size` bits."
    )
    distance: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Maximum number of bits that differ between duplicates, at most a quarter of the bits. "
        "By default, 5, and 31 for `pdq`.",
    )
    quality: int = Field(default=50, ge=0, le=100, description="Minimum quality of a PDQ hash. Images below it are kept.")
    keep: Literal["first", "largest", "best"] = Field(default="first", description="The image of each group to keep.")
    by: Column | None = Field(default=None, description="Column of numbers for `keep: best`.")
    grouping: Literal["components", "firstCome"] = Field(
        default="components",
        description="Whether an image is rejected if a chain of similar images links it to one that is kept, or "
        "only if it is similar to one that is kept.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image. Larger ones fail."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if 4 * self.limit() > self.bits():
            raise ValueError(f"`distance` ({self.limit()}) must be at most a quarter of the {self.bits()} bits")
        if (self.keep == "best") != (self.by is not None):
            raise ValueError("`by` is the column for `keep: best`; set both or neither")
        return self

    def bits(self) -> int:
        """The number of bits of a hash."""
        return _PDQ_BITS if self.method == "pdq" else self.size * self.size

    def limit(self) -> int:
        """The largest distance of duplicates."""
        return min(_DISTANCES[self.method], self.bits() // 4) if self.distance is None else self.distance

    def side_sources(self) -> tuple[Any, ...]:
        """The existing corpus."""
        return corpus_reader(self.against, self.inputs())

    def confirms(self) -> bool:
        """Whether more than the order of rows decides which image of a group is kept."""
        return self.keep != "first" or self.grouping == "firstCome"

    def cost_unknown(self) -> bool:
        """It decodes images."""
        return True

    def signing(self) -> ImageHash:
        """The hashes. They are computed alone if they are compared with those of images that no steps process before.

        The hashes of an image can differ by a few bits if it is decoded for other steps at another size.
        """
        return self._hash(alone=self.against is not None or self.grouping == "firstCome")

    def signatures(self, batch: base.Batch) -> pa.Table:
        """A signature per block of the hash for each image."""
        from datajob.operators.dedup._near_hashes import near_signatures

        hashes, rows = self._hashes(batch)
        return near_signatures(hashes, rows, self.bits(), self.limit())

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Edges between similar images."""
        from datajob.operators.dedup._near_hashes import link_near_hashes

        return link_near_hashes(signatures, self.bits(), self.limit())

    def evidence(self, batch: base.Batch) -> pa.Table:
        """What decides which image is kept: the preference of each row and, for `firstCome`, its hash."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.dedup._near_hashes import words_table

        table = pa.table({"preference": pa.array(self._preferences(batch))})
        if self.grouping == "components":
            return table
        hashes, rows = self._hashes(batch)
        every = np.zeros((len(batch), hashes.shape[1]), np.uint8)
        every[rows] = hashes
        found = words_table(every)
        for name in found.column_names:
            table = table.append_column(name, found.column(name))
        return table

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The images of each group that are not kept, with the image that is."""
        from datajob.operators.dedup._media import first_of_each, in_order_of_preference, repeats
        from datajob.operators.dedup._near_hashes import words_of
        from datajob.operators.kernels.hamming import first_kept

        evidence, groups = in_order_of_preference(evidence)
        kept = first_of_each(groups)
        if self.grouping == "firstCome":
            first_kept(words_of(evidence), groups, evidence.column("row").to_numpy() < 0, self.limit(), kept)
        return repeats(evidence, kept)

    def _preferences(self, batch: base.Batch) -> NDArray[np.float64]:
        """Images with a higher number are preferred."""
        import numpy as np

        from datajob.operators.dedup._image_hash import ImageArea
        from datajob.operators.dedup._media import signed
        from datajob.operators.ranks import numbers

        if self.keep == "first":
            return np.zeros(len(batch))
        if self.by is not None:
            return numbers(batch, self.by, self.key)
        areas = signed(ImageArea(column=self.column, folder=self.folder), batch, self.key)
        return np.array([np.nan if area is None else area for area in areas], dtype=np.float64)

    def _hash(self, *, alone: bool = True) -> ImageHash:
        """The step that computes hashes."""
        from datajob.operators.dedup._image_hash import ImageHash

        parameters = {name: getattr(self, name) for name in ("column", "folder", "max_pixels", "method", "size")}
        return ImageHash(**parameters, alone=alone)

    def _hashes(self, batch: base.Batch) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The hash of each image of sufficient quality, and its position. Images that cannot be decoded fail."""
        import numpy as np

        from datajob.operators.dedup._media import signed

        there = self.signing_column in batch.table.column_names
        found = batch.array(self.signing_column).to_pylist() if there else signed(self._hash(), batch, self.key)
        least = self.quality if self.method == "pdq" else 0
        rows = [row for row, value in enumerate(found) if value is not None and value[0] >= least]
        hashes = np.frombuffer(b"".join(found[row][1:] for row in rows), np.uint8)
        return hashes.reshape(len(rows), -(-self.bits() // 8)), np.array(rows, dtype=np.int64)
