"""The pixels that a model reads: decoded, resized and cropped as its image processor does, in the process that decodes.

Only the result, 8-bit pixels in the size of the model, comes back. They differ from those of the image processor by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from datajob.media.image import MAX_PIXELS
from datajob.operators.inference._tiles import Tiles, content_digest
from datajob.operators.media.steps import ImageSignature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from datajob.media.picture import Need, Picture

MAX_RESIZED = 64
"""An image that would have more pixels than this multiple of the crop is cropped before it is resized: it is very narrow."""


@dataclass(frozen=True)
class PixelPlan:
    """How an image processor resizes and crops."""

    size: tuple[int, int] | None
    """Height and width to resize to."""
    shorter: int | None
    """Length of the shorter side to resize to, instead."""
    resample: int
    crop: tuple[int, int] | None
    """Height and width of the center to keep."""

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels for the model (height x width x 3)."""
        import numpy as np
        from PIL import Image

        image = Image.fromarray(rgb)
        width, height = self._resized(image.width, image.height)
        if self.crop is not None and width * height > MAX_RESIZED * self.crop[0] * self.crop[1]:
            return self._cropped_first(image, width, height)
        found = np.asarray(image.resize((width, height), Image.Resampling(self.resample)))
        return found if self.crop is None else _center(found, *self.crop)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.size is not None:
            return self.size[1], self.size[0]
        if self.shorter is None:
            return width, height
        longer = int(self.shorter * max(width, height) / min(width, height))
        return (self.shorter, longer) if width <= height else (longer, self.shorter)

    def _cropped_first(self, image: Image, width: int, height: int) -> NDArray[np.uint8]:
        import numpy as np
        from PIL import Image

        assert self.crop is not None
        rows, columns = min(self.crop[0], height), min(self.crop[1], width)
        left, top = (width - columns) / 2 * image.width / width, (height - rows) / 2 * image.height / height
        box = (left, top, left + columns * image.width / width, top + rows * image.height / height)
        return _center(np.asarray(image.resize((columns, rows), Image.Resampling(self.resample), box=box)), *self.crop)


def _center(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """The center, with black around an image that is smaller."""
    import numpy as np

    height, width = pixels.shape[:2]
    if height < rows or width < columns:
        above, before = max(0, rows - height + 1) // 2, max(0, columns - width + 1) // 2
        below, after = max(0, rows - height) - above, max(0, columns - width) - before
        pixels = np.pad(pixels, ((above, max(0, below)), (before, max(0, after)), (0, 0)))
        height, width = pixels.shape[:2]
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


class ModelPixels(ImageSignature):
    """Computes the pixels that a model reads; without a plan, those of the whole image."""

    abstract: ClassVar[bool] = True

    plan: PixelPlan | None = None
    max_pixels: int = MAX_PIXELS

    def needs(self) -> tuple[Need, ...]:
        """All pixels: the image processor resizes the whole image."""
        from datajob.media.picture import Need

        return (Need("rgb"),)

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels

    def sign(self, picture: Picture) -> bytes:
        """The pixels as prepared image."""
        import numpy as np

        rgb: Any = picture.pixels(*self.needs())
        found = np.ascontiguousarray((rgb if self.plan is None else self.plan.apply(rgb)).transpose(2, 0, 1)[None])
        return Tiles(found, (picture.height, picture.width), content_digest(bytes(picture.data))).packed()
