"""faceArea: keep rows whose image is not mostly a face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._faces import FaceFilter

if TYPE_CHECKING:
    from datajob.media.picture import Picture


class FaceArea(FaceFilter):
    """Keep rows whose image is not mostly a face: the area of the largest frontal face, as a share of the image.

    The detector is the Haar cascade `frontalface_alt` of OpenCV. The scale and the default are those of Data-Juicer's
    `image_face_ratio_filter`, which looks for faces in the whole image (`side: null`).

    Example:

        - faceArea: {max: 0.4, output: face}
    """

    min: float | None = Field(default=None, ge=0, le=1, description="Minimum share.")
    max: float | None = Field(default=0.4, ge=0, le=1, description="Maximum share.")

    def measure(self, picture: Picture) -> float:
        """The share of the largest face; 0 without faces."""
        faces = self.faces(picture)
        return float((faces[:, 2] * faces[:, 3]).max(initial=0.0))
