"""Faces in an image, found by the Haar cascade that OpenCV contains."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.steps import ImageStep, PixelFilter, min_max
from datajob.suggest import snake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Need, Picture

CASCADE = "haarcascade_frontalface_alt.xml"
_FRAME = 20
"""Pixels of the smallest face that the cascade finds."""


class FaceStep(ImageStep):
    """How faces are found."""

    abstract: ClassVar[bool] = True

    side: int | None = Field(
        default=640,
        ge=_FRAME,
        description="Pixels of the longer side in which to look for faces; null: the whole image. "
        "Faces below 20 pixels are not found.",
    )
    scale_factor: float = Field(default=1.1, gt=1, le=2, description="Ratio of the sizes at which to look for faces.")
    min_neighbors: int = Field(
        default=3, ge=0, description="Number of overlapping matches of a face. More neighbors result in fewer false matches."
    )

    def luma_need(self) -> Need:
        """The luma at `side`."""
        from datajob.media.picture import Need

        return Need("gray", longer=self.side)

    def needs(self) -> tuple[Need, ...]:
        """The luma at `side`."""
        return (self.luma_need(),)

    def faces(self, picture: Picture) -> NDArray[np.float64]:
        """Left, top, width and height of each face, as shares of the image."""
        import numpy as np

        luma = picture.pixels(self.luma_need())
        found: Any = ()
        if min(luma.shape) >= _FRAME:
            found = _cascade().detectMultiScale(luma, scaleFactor=self.scale_factor, minNeighbors=self.min_neighbors)
        height, width = luma.shape
        return np.array(found, np.float64).reshape(-1, 4) / (width, height, width, height)


class FaceFilter(FaceStep, PixelFilter):
    """A filter that measures faces."""

    abstract: ClassVar[bool] = True

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, snake(self.key))


@cache
def _cascade() -> Any:
    """The cascade, loaded once per process. Raises RuntimeError if this OpenCV has none."""
    import cv2

    folder: Any = getattr(cv2, "data", None)
    cascade = cv2.CascadeClassifier(os.path.join(folder.haarcascades, CASCADE)) if folder else None
    if cascade is None or cascade.empty():
        raise RuntimeError(f"OpenCV {cv2.__version__} has no {CASCADE}; install opencv-python-headless below 5")
    return cascade
