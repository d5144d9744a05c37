"""imageSize: keep rows whose image has a size within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from datajob.operators.base import Bound
from datajob.operators.measures import bounds_of
from datajob.operators.media.steps import ImageFilter

if TYPE_CHECKING:
    from datajob.media.picture import Picture


class ImageSize(ImageFilter):
    """Keep rows whose image has a size within limits. Only headers are read.

    Sizes are those of the displayed image, after the EXIF orientation. DataComp uses `minSide: 200`, and MMC4 and OBELICS
    `minSide: 150`. Data-Juicer's `image_shape_filter` has limits for width and height and keeps all sizes by default.

    Example:

        - imageSize: {minSide: 200, maxPixels: 50000000}
    """

    min_side: int = Field(default=1, ge=1, description="Minimum number of pixels of the shorter side.")
    max_side: int | None = Field(default=None, ge=1, description="Maximum number of pixels of the longer side.")
    min_pixels: int | None = Field(default=None, ge=1, description="Minimum number of pixels (width x height).")
    max_pixels: int | None = Field(default=None, ge=1, description="Maximum number of pixels (width x height).")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_side is not None and self.max_side < self.min_side:
            raise ValueError("`minSide` is larger than `maxSide`")
        if self.min_pixels is not None and self.max_pixels is not None and self.max_pixels < self.min_pixels:
            raise ValueError("`minPixels` is larger than `maxPixels`")
        return self

    def measure(self, picture: Picture) -> dict[str, float]:
        """The shorter side, the longer side and the number of pixels."""
        width, height = picture.width, picture.height
        return {"shorter_side": min(width, height), "longer_side": max(width, height), "pixels": width * height}

    def measured(self) -> tuple[str, ...]:
        """The shorter side comes first."""
        return ("shorter_side", "longer_side", "pixels")

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        limits = (
            ("min_side", "shorter_side"), ("max_side", "longer_side"), ("min_pixels", "pixels"), ("max_pixels", "pixels"),
        )  # fmt: skip
        return bounds_of(self, [(field, measure) for field, measure in limits if getattr(self, field) is not None])
