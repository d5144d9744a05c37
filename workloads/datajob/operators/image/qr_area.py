"""qrArea: reject images that show QR codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.steps import PixelFilter, min_max

if TYPE_CHECKING:
    from datajob.media.picture import Need, Picture


class QrArea(PixelFilter):
    """Reject images in which QR codes cover a large part of the area.

    The measure is the area of the QR codes that OpenCV finds, as a share of the image. NeMo Curator's
    `InterleavedQRCodeFilterStage` measures the whole image (`side: null`) and rejects shares from 0.05 on.

    Example:

        - qrArea: {max: 0.01, output: qr}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share.")
    max: float | None = Field(default=0.05, ge=0, le=1, description="Maximum share.")
    side: int | None = Field(
        default=1024, ge=64, description="Pixels of the longer side in which to look for codes; null: the whole image."
    )

    def needs(self) -> tuple[Need, ...]:
        """The luma at `side`."""
        from datajob.media.picture import Need

        return (Need("gray", longer=self.side),)

    def measure(self, picture: Picture) -> float:
        """The share of the area."""
        import cv2

        luma = picture.pixels(*self.needs())
        try:
            _, _, corners, _ = cv2.QRCodeDetector().detectAndDecodeMulti(luma)
        except cv2.error:  # images of a few pixels
            corners = None
        codes: Any = [] if corners is None else corners
        return min(sum(float(cv2.contourArea(code.reshape(-1, 1, 2))) for code in codes) / luma.size, 1.0)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "qr_area")
