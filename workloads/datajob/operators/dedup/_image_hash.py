"""The hash and the size of images, computed in the process that decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from datajob.media.image import MAX_PIXELS
from datajob.operators.media.bases import MediaColumn
from datajob.operators.media.steps import ImageSignature

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.media.picture import Need, Picture

_SIDES = {"phash": 384, "dhash": 384, "pdq": 512}
"""Shorter side of the image to hash. The hashes differ from those of the full size in at most 2 bits (PDQ: on average 5)."""


class ImageHash(ImageSignature, MediaColumn):
    """Computes the quality of a hash, 100 without PDQ, and its bytes."""

    abstract: ClassVar[bool] = True

    method: Literal["phash", "dhash", "pdq"] = "phash"
    size: int = 8
    max_pixels: int = MAX_PIXELS

    def needs(self) -> tuple[Need, ...]:
        """The luma of a reduced image."""
        from datajob.media.picture import Need

        return (Need("gray", shorter=_SIDES[self.method]),)

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels

    def sign(self, picture: Picture) -> bytes:
        """The quality, one byte, and the hash."""
        from datajob.operators.media import hashes

        luma = picture.pixels(*self.needs())
        if self.method == "pdq":
            found, quality = hashes.pdq(luma)
            return bytes([quality]) + found.tobytes()
        return b"\x64" + (hashes.phash if self.method == "phash" else hashes.dhash)(luma, self.size).tobytes()

    def array(self, values: list[Any]) -> pa.Array:
        """Qualities and hashes."""
        import pyarrow as pa

        return pa.array(values, pa.binary())


class ImageArea(ImageSignature):
    """Computes the number of pixels."""

    abstract: ClassVar[bool] = True

    def sign(self, picture: Picture) -> int:
        """Width times height, from the header."""
        return picture.width * picture.height
