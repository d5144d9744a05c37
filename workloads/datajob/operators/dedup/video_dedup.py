"""videoDedup: reject videos that repeat others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.dedup._against import ColumnDedup, corpus_reader
from datajob.operators.media.video_steps import MAX_PIXELS, MAX_SECONDS
from datajob.operators.packages import require
from datajob.parameters import Column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class VideoDedup(ColumnDedup):
    """Reject videos that are equal or similar to another video.

    | Method | Duplicates |
    |---|---|
    | `packets` | Videos with the same encoded frames, regardless of audio, tags and names. Nothing is decoded |
    | `frames` | Videos of whose frames a share of at least `share` is similar to frames of the other video |

    `packets` finds copies within one kind of container: MPEG transport streams store packets differently from MP4. It is
    Data-Juicer's `video_deduplicator`.

    `frames` compares the PDQ hashes of `fps` frames per second, as Meta's vPDQ does. It tolerates other resolutions, codecs and
    frame rates, but not cropping, mirroring and overlays. A video that is part of a longer one is rejected, and a longer one
    that contains a kept one is not, unless most of it is the same. Frames with little structure have a low quality and do not
    count; videos of which no frame counts are kept.

    A video is rejected only if it is a duplicate of one that is kept. `keep` is the preference: the `first` video, the
    `longest`, or the `best`, which has the highest number in the column `by`. Videos of an existing corpus (`against`) are
    preferred to all others. Only hashes move between workers.

    Example:

        - videoDedup: {}
        - videoDedup: {method: frames, keep: longest}
        - videoDedup: {method: frames, share: 0.5, keep: best, by: height, against: s3://lake/published/}
    """

    links: ClassVar[bool] = True
    rows_at_a_time: ClassVar[int | None] = 64

    column: Column = Field(default="video", description="Column with video: encoded bytes, a path or URL, or a struct of both.")
    method: Literal["packets", "frames"] = Field(default="packets", description="What videos are compared by.")
    fps: float = Field(default=1, gt=0, le=60, description="Frames per second that are hashed for `frames`.")
    distance: int = Field(
        default=31, ge=0, le=64, description="Maximum number of bits that differ between similar frames, of 256."
    )
    quality: int = Field(default=50, ge=0, le=100, description="Minimum quality of a PDQ hash. Frames below it do not count.")
    share: float = Field(default=0.8, gt=0, le=1, description="Minimum share of frames of a duplicate that are similar.")
    keep: Literal["first", "longest", "best"] = Field(default="first", description="The video to keep.")
    by: Column | None = Field(default=None, description="Column of numbers for `keep: best`.")
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_duration: float = Field(
        default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to decode; longer videos fail."
    )
    max_pixels: int = Field(
        default=MAX_PIXELS,
        ge=1,
        le=2_000_000_000,
        description="Maximum number of pixels of a frame. Videos with larger ones fail.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.keep == "best") != (self.by is not None):
            raise ValueError("`by` is the column for `keep: best`; set both or neither")
        return self

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self._signature().required(), self.key)
        return self

    def side_sources(self) -> tuple[Any, ...]:
        """The existing corpus."""
        return corpus_reader(self.against, self.inputs())

    def confirms(self) -> bool:
        """Whether more than the order of rows decides which video is kept."""
        return self.keep != "first" or self.method == "frames"

    def signatures(self, batch: Batch) -> pa.Table:
        """The hash of each video, or those of its frames."""
        import numpy as np

        from datajob.operators.dedup._near_hashes import near_signatures
        from datajob.operators.dedup._video_prints import HASH_BYTES, PDQ_BYTES, unique_hashes

        found = self._prints(batch)
        if self.method == "frames":
            hashes, places = unique_hashes([None if value is None else value[0] for value in found])
            return near_signatures(hashes, places, 8 * PDQ_BYTES, self.distance)
        rows = [row for row, value in enumerate(found) if value is not None]
        hashes = np.frombuffer(b"".join(found[row][0] for row in rows), np.uint8).reshape(len(rows), HASH_BYTES)
        return near_signatures(hashes, np.array(rows, dtype=np.int64), 8 * HASH_BYTES, 0)

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Edges between videos with equal hashes, or with a similar frame."""
        from datajob.operators.dedup._near_hashes import link_near_hashes
        from datajob.operators.dedup._video_prints import HASH_BYTES, PDQ_BYTES

        if self.method == "frames":
            return link_near_hashes(signatures, 8 * PDQ_BYTES, self.distance)
        return link_near_hashes(signatures, 8 * HASH_BYTES, 0)

    def evidence(self, batch: Batch) -> pa.Table:
        """The preference of each row and, for `frames`, its hashes."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.ranks import numbers

        preferences = np.zeros(len(batch)) if self.by is None else numbers(batch, self.by, self.key)
        found = self._prints(batch) if self.method == "frames" or self.keep == "longest" else []
        if self.keep == "longest":
            preferences = np.array([np.nan if value is None else value[1] for value in found], np.float64)
        columns = {"preference": pa.array(preferences)}
        if self.method == "frames":
            columns["frames"] = pa.array([b"" if value is None else value[0] for value in found], pa.large_binary())
        return pa.table(columns)

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The videos that are duplicates of one that is kept."""
        from datajob.operators.dedup._media import first_of_each, in_order_of_preference, repeats

        evidence, groups = in_order_of_preference(evidence)
        return repeats(evidence, first_of_each(groups) if self.method == "packets" else self._contained(evidence, groups))

    def _contained(self, evidence: pa.Table, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of the video that is kept for each one whose frames it has, and -1."""
        import numpy as np

        from datajob.operators.dedup._video_prints import PDQ_BYTES
        from datajob.operators.kernels.hamming import first_containing
        from datajob.operators.media.hashes import words

        prints = evidence.column("frames").to_pylist()
        hashes = words(np.frombuffer(b"".join(prints), np.uint8).reshape(-1, PDQ_BYTES))
        bounds = np.cumsum([0, *(len(data) // PDQ_BYTES for data in prints)], dtype=np.int64)
        found = np.full(len(prints), -1, np.int64)
        always = evidence.column("row").to_numpy() < 0
        first_containing(hashes, bounds, groups, always, self.distance, self.share, found)
        return found

    def _signature(self) -> Any:
        from datajob.operators.dedup._video_prints import FrameHashes, PacketsHash

        common: dict[str, Any] = self.model_dump(include={"column", "folder", "max_duration", "max_pixels"})
        return PacketsHash(**common) if self.method == "packets" else FrameHashes(**common, fps=self.fps, quality=self.quality)

    def _prints(self, batch: Batch) -> list[Any]:
        """The hashes of each video, and its seconds. Videos that cannot be decoded fail."""
        from datajob.operators.dedup._media import signed

        return signed(self._signature(), batch, self.key)
