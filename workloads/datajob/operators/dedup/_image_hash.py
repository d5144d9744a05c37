"""The hash and the size of images, measured like the measures of image filters: in the process that decodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from datajob.operators.media.steps import ImageFilter, PixelFilter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Need, Picture
    from datajob.operators.base import Batch

_PART = 4
"""Bytes of a hash per measure: a double represents them exactly."""
_SIDES = {"phash": 384, "dhash": 384, "pdq": 512}
"""Shorter side of the image to hash. The hashes differ from those of the full size in at most 2 bits (PDQ: on average 5)."""


class ImageHash(PixelFilter):
    """Measures the quality (NaN if there is no image) and the parts of a hash."""

    abstract: ClassVar[bool] = True

    method: Literal["phash", "dhash", "pdq"] = "phash"
    size: int = 8

    def needs(self) -> tuple[Need, ...]:
        """The luma of a reduced image."""
        from datajob.media.picture import Need

        return (Need("gray", shorter=_SIDES[self.method]),)

    def measured(self) -> tuple[str, ...]:
        """The quality and the parts of the hash."""
        size = 32 if self.method == "pdq" else -(-self.size * self.size // 8)
        return ("quality", *(f"part{i}" for i in range(-(-size // _PART))))

    def measure(self, picture: Picture) -> Mapping[str, float]:
        """The quality, 100 without PDQ, and the hash as big-endian numbers."""
        import numpy as np

        from datajob.operators.media import hashes

        luma, quality = picture.pixels(*self.needs()), 100
        if self.method == "pdq":
            found, quality = hashes.pdq(luma)
        else:
            found = (hashes.phash if self.method == "phash" else hashes.dhash)(luma, self.size)
        parts = np.pad(found, (0, -len(found) % _PART)).view(">u4").tolist()
        return dict(zip(self.measured(), (quality, *parts), strict=True))


class ImageArea(ImageFilter):
    """Measures the number of pixels."""

    abstract: ClassVar[bool] = True

    def measure(self, picture: Picture) -> float:
        """Width times height, from the header."""
        return picture.width * picture.height


def measured(step: ImageFilter, batch: Batch) -> tuple[NDArray[np.float64], ...]:
    """The measures of the image of each row; rows whose image cannot be measured fail. Raises InputError for lists."""
    from datajob.errors import InputError
    from datajob.media.values import is_list
    from datajob.operators.media.sections import Section

    kind = batch.table.schema.field(step.column).type
    if is_list(kind):
        raise InputError(
            f"column `{step.column}` contains {kind}, but `imageDedup` compares one image per row. Use `explode` before it."
        )
    found = Section((step,)).run(batch)
    found.verdict(0, batch)
    values = found.measures(0)
    return tuple(values[name] for name in step.measured())
