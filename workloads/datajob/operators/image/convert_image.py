"""convertImage: write images in another format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from datajob.media.image import WHITE
from datajob.operators.media.steps import ImageMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Encoding, Need, Picture


class ConvertImage(ImageMap):
    """Write images as JPEG, PNG or WebP: upright, in RGB or gray, without transparency and metadata.

    Animations become their first frame. With `stripMetadata: false`, images that already have the format and the mode, are
    upright and not animated keep their file, including its metadata and color profile. Other steps show transparent pixels on
    white: place this step before `resizeImage` and `cropImage` if you set `background`. They keep the format and the quality.

    Example:

        - convertImage: {format: webp, quality: 90}
        - convertImage: {mode: L, background: [0, 0, 0]}
    """

    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="Format of the files.")
    quality: int = Field(default=95, ge=1, le=100, description="Quality of JPEG and WebP.")
    mode: Literal["RGB", "L"] = Field(
        default="RGB", description="Colors, or levels of gray (`L`, ITU-R BT.601). WebP has no levels of gray."
    )
    background: tuple[int, int, int] = Field(
        default=(255, 255, 255), description="Color behind transparent pixels: red, green and blue from 0 to 255."
    )
    strip_metadata: bool = Field(
        default=True, description="Encode images again that already have the format, so that no metadata remains."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode == "L" and self.format == "webp":
            raise ValueError("`mode: L` needs the format `jpeg` or `png`; WebP has no levels of gray")
        if not all(0 <= level <= 255 for level in self.background):
            raise ValueError("`background` must be three numbers from 0 to 255")
        return self

    def needs(self) -> tuple[Need, ...]:
        """The colors of the whole image."""
        from datajob.media.picture import Need

        return (Need("rgb"),)

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The same pixels; None if the file is already as required."""
        from datajob.media.picture import Edited

        header = picture.header
        plain = (header.format, header.mode, header.orientation, header.frames) == (self.format.upper(), self.mode, 1, 1)
        if plain and not self.strip_metadata and not isinstance(picture, Edited) and not _has_transparent_color(picture.data):
            return None
        return picture.pixels(*self.needs()) if self.background == WHITE else picture.on(self.background)

    def encoding(self, picture: Picture) -> Encoding:
        """The format, the quality and the mode."""
        from datajob.media.picture import Encoding

        return Encoding(self.format.upper(), self.quality, gray=self.mode == "L")


def _has_transparent_color(data: bytes | memoryview) -> bool:
    """Whether a PNG without an alpha channel states a color that is transparent (chunk tRNS)."""
    head = bytes(data).partition(b"IDAT")[0]
    return head.startswith(b"\x89PNG") and b"tRNS" in head
