"""aspectRatio: keep rows whose image has a shape within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.steps import ImageFilter, min_max

if TYPE_CHECKING:
    from datajob.media.picture import Picture


class AspectRatio(ImageFilter):
    """Keep rows whose image has a width / height within limits. Only headers are read.

    The defaults and the scale are those of Data-Juicer's `image_aspect_ratio_filter`; NeMo Curator uses 1 to 2 and MMC4 0.5
    to 2. With `symmetric: true`, the measure is longer / shorter side, as in DataComp (at most 3). Sizes are those of the
    displayed image, after the EXIF orientation.

    Example:

        - aspectRatio: {symmetric: true, max: 3}
    """

    min: float | None = Field(default=0.333, ge=0, description="Minimum ratio.")
    max: float | None = Field(default=3.0, ge=0, description="Maximum ratio.")
    symmetric: bool = Field(default=False, description="Measure longer / shorter side instead of width / height.")

    def measure(self, picture: Picture) -> float:
        """The ratio."""
        width, height = picture.width, picture.height
        return max(width, height) / min(width, height) if self.symmetric else width / height

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "aspect_ratio")
