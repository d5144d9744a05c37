"""convertImage: write images in another format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.media.steps import ImageMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Encoding, Need, Picture


class ConvertImage(ImageMap):
    """Write images as JPEG, PNG or WebP: upright, in RGB on a white background, without metadata.

    Animations become their first frame. With `stripMetadata: false`, images that already have the format, are upright, in RGB
    and not animated keep their file, including its metadata and color profile.

    Example:

        - convertImage: {format: webp, quality: 90}
    """

    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="Format of the files.")
    quality: int = Field(default=95, ge=1, le=100, description="Quality of JPEG and WebP.")
    strip_metadata: bool = Field(
        default=True, description="Encode images again that already have the format, so that no metadata remains."
    )

    def needs(self) -> tuple[Need, ...]:
        """The colors of the whole image."""
        from datajob.media.picture import Need

        return (Need("rgb"),)

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The same pixels; None if the file is already as required."""
        from datajob.media.picture import Edited

        header = picture.header
        plain = (header.format, header.mode, header.orientation, header.frames) == (self.format.upper(), "RGB", 1, 1)
        if plain and not self.strip_metadata and not isinstance(picture, Edited):
            return None
        return picture.pixels(*self.needs())

    def encoding(self, picture: Picture) -> Encoding:
        """The format and the quality."""
        from datajob.media.picture import Encoding

        return Encoding(self.format.upper(), self.quality)
