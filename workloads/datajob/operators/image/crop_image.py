"""cropImage: cut a part out of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from datajob.media.errors import MediaError
from datajob.operators.media.steps import ImageMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Need, Picture


class CropImage(ImageMap):
    """Cut a rectangle out of images: a `box` of pixels, or the largest part with an aspect ratio.

    Coordinates are those of the displayed image, after the EXIF orientation. A box is cut off at the edges of the image, and an
    image that does not reach into it fails with the reason `outsideImage`. An image that is not cut keeps its file unchanged.

    Example:

        - cropImage: {box: [0, 0, 640, 480]}
        - cropImage: {aspect: 1.0, anchor: center}
    """

    box: tuple[int, int, int, int] | None = Field(
        default=None, description="Left, top, right and bottom edge in pixels; right and bottom are outside of the part."
    )
    aspect: float | None = Field(default=None, gt=0, description="Width / height of the part.")
    anchor: Literal["center", "top", "bottom", "left", "right"] = Field(
        default="center", description="The side of the image that remains, with `aspect`."
    )

    @model_validator(mode="after")
    def _one_part(self) -> Self:
        if (self.box is None) == (self.aspect is None):
            raise ValueError("set either `box` or `aspect`")
        if self.box and not (0 <= self.box[0] < self.box[2] and 0 <= self.box[1] < self.box[3]):
            raise ValueError("`box` must be left, top, right, bottom with 0 <= left < right and 0 <= top < bottom")
        return self

    def needs(self) -> tuple[Need, ...]:
        """The colors of the whole image."""
        from datajob.media.picture import Need

        return (Need("rgb"),)

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The part; None if it is the whole image."""
        import numpy as np

        left, top, right, bottom = self._part(picture.width, picture.height)
        if left >= right or top >= bottom:
            raise MediaError("outsideImage", f"the image has {picture.width} x {picture.height} pixels, none of them in `box`")
        if (left, top, right, bottom) == (0, 0, picture.width, picture.height):
            return None
        return np.ascontiguousarray(picture.pixels(*self.needs())[top:bottom, left:right])

    def _part(self, width: int, height: int) -> tuple[int, int, int, int]:
        if self.box is not None:
            return self.box[0], self.box[1], min(self.box[2], width), min(self.box[3], height)
        assert self.aspect is not None
        across = min(width, max(1, round(height * self.aspect)))
        down = min(height, max(1, round(width / self.aspect)))
        left = {"left": 0, "right": width - across}.get(self.anchor, (width - across) // 2)
        top = {"top": 0, "bottom": height - down}.get(self.anchor, (height - down) // 2)
        return left, top, left + across, top + down
