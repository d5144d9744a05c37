"""blurFaces: make faces in images unrecognizable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.image._faces import FaceStep
from datajob.operators.media.steps import ImageMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Need, Picture


class BlurFaces(FaceStep, ImageMap):
    """Blur frontal faces in images, as img2dataset does: with a Gaussian of 10% of the diagonal of the largest face.

    The detector is the Haar cascade `frontalface_alt` of OpenCV. It misses faces that are turned, covered or small, so do not
    rely on it to protect people. Images without faces keep their files unchanged.

    Example:

        - blurFaces: {grow: 0.2}
    """

    grow: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="How much the blurred area exceeds each side of a face, as a share of its diagonal.",
    )
    strength: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Standard deviation of the Gaussian, as a share of the diagonal of the largest face.",
    )

    def needs(self) -> tuple[Need, ...]:
        """The luma at `side`, and the colors of the whole image."""
        from datajob.media.picture import Need

        return (self.luma_need(), Need("rgb"))

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The image with blurred faces; None if there are none."""
        import cv2
        import numpy as np

        faces = self.faces(picture)
        if not len(faces):
            return None
        pixels = picture.pixels(self.needs()[1]).copy()
        height, width = pixels.shape[:2]
        boxes = faces * (width, height, width, height)
        diagonals = np.hypot(boxes[:, 2], boxes[:, 3])
        blurred: Any = cv2.GaussianBlur(pixels, (0, 0), self.strength * float(diagonals.max()))
        for (left, top, across, down), diagonal in zip(boxes, diagonals, strict=True):
            edge = self.grow * diagonal
            rows = slice(max(int(top - edge), 0), int(np.ceil(top + down + edge)))
            columns = slice(max(int(left - edge), 0), int(np.ceil(left + across + edge)))
            pixels[rows, columns] = blurred[rows, columns]
        return pixels
