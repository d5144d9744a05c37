"""faceCount: keep rows by the number of faces in their image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.image._faces import FaceFilter

if TYPE_CHECKING:
    from datajob.media.picture import Picture


class FaceCount(FaceFilter):
    """Keep rows by the number of frontal faces in their image.

    The detector is the Haar cascade `frontalface_alt` of OpenCV, which misses faces that are turned, covered or small.
    Data-Juicer's `image_face_count_filter` looks for faces in the whole image (`side: null`) and keeps images with one face
    (`min: 1`, `max: 1`).

    Example:

        - faceCount: {max: 0, output: faces}
    """

    min: int | None = Field(default=None, ge=0, description="Minimum number of faces.")
    max: int | None = Field(default=None, ge=0, description="Maximum number of faces.")

    def measure(self, picture: Picture) -> float:
        """The number of faces."""
        return len(self.faces(picture))
