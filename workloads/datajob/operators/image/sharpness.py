"""sharpness: keep rows whose image is sharp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.steps import PixelFilter, min_max

if TYPE_CHECKING:
    from datajob.media.picture import Need, Picture


class Sharpness(PixelFilter):
    """Keep rows whose image is sharp: the variance of the Laplacian of the luma, on a scale of 0 to 255.

    With `side: null`, it equals that of OpenCV for the whole image, which grows with noise and depends on the resolution; NeMo
    Curator keeps images from 100 on. By default, images are reduced to 512 pixels first, so that photos of all cameras compare.

    Example:

        - sharpness: {min: 100, output: sharpness}
    """

    min: float | None = Field(default=100, ge=0, description="Minimum variance.")
    max: float | None = Field(default=None, ge=0, description="Maximum variance.")
    side: int | None = Field(default=512, ge=16, description="Pixels of the longer side to measure at; null: the whole image.")

    def needs(self) -> tuple[Need, ...]:
        """The luma at `side`, reduced from the whole image."""
        from datajob.media.picture import Need

        return (Need("gray", longer=self.side, exact=True),)

    def measure(self, picture: Picture) -> float:
        """The variance of the Laplacian."""
        from datajob.operators.media.luma import sharpness

        return sharpness(picture.pixels(*self.needs()))

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "sharpness")
