"""The bases of steps on images. Their code runs for one image at a time, in a child process.

A filter states the pixels that it needs, measures, and has limits:

    class Sharpness(PixelFilter):
        min: float = Field(default=100, description="...")

        def needs(self) -> tuple[Need, ...]:
            return (Need("gray", longer=512, exact=True),)

        def measure(self, picture: Picture) -> float:
            return sharpness(picture.pixels(*self.needs()))

        def bounds(self) -> tuple[Bound, ...]:
            return min_max(self, "sharpness")

- A filter that only reads `picture.width`, `height`, `format`, `mode` or `frames` is an ImageFilter: no image is decoded.
- `measure` returns a number, or a mapping if there are several measures. A row whose measure violates a limit is rejected as
  `<measure>_too_low` or `<measure>_too_high`. `analyze` works without further code.
- `ImageSignature` is for steps that need all rows, such as a deduplication: `signed(batch)` returns what `sign` computes.
- An `ImageMap` returns pixels from `change`, and the last one of adjacent steps writes the file.
- To fail an image, raise MediaError with one word as the reason: `raise MediaError("noFace", "the image has no face")`.
- Adjacent steps on the same column form a section: each image is decoded once for all of them, and not at all by the steps
  after the one that rejects it. A step must not depend on other rows, and its parameters and results must be picklable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.media.image import MAX_PIXELS
from datajob.media.signatures import Kind
from datajob.operators.base import Bound
from datajob.operators.media.bases import MediaFilter, MediaMap, MediaSignature, MediaStep, min_max
from datajob.operators.media.removal import KeepImagesWithTexts
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Edited, Encoding, Need, Picture
    from datajob.operators.media.image_rows import ImageWork


class ImageStep(MediaStep):
    """What all steps on images have in common."""

    abstract: ClassVar[bool] = True
    kind: ClassVar[Kind] = "image"

    column: Column = Field(
        default="image",
        description="Column with an image or a list of images. An image is encoded bytes, a path or URL, or a struct of both.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")

    def needs(self) -> tuple[Need, ...]:
        """The pixels that the step needs; none by default."""
        return ()

    def needs_header(self) -> bool:
        """Whether the step needs more than the size of the file."""
        return True

    def required(self) -> Mapping[str, str]:
        """Steps that need pixels need what decodes and reduces images."""
        decoders = {"cv2": "opencv-python-headless", "simplejpeg": "simplejpeg"} if self.needs() else {}
        return decoders | self.packages

    def pixel_limit(self) -> int:
        """The most pixels of an image that the step decodes."""
        return MAX_PIXELS

    def work(self, steps: tuple[Any, ...], lists: bool, decides: bool) -> ImageWork:
        """Decodes each image once."""
        from datajob.operators.media.image_rows import ImageWork

        return ImageWork(steps, lists, decides)


class ImageFilter(ImageStep, KeepImagesWithTexts, MediaFilter):
    """Keep rows whose image has measures within limits."""

    abstract: ClassVar[bool] = True

    output: NewColumn | None = Field(
        default=None, description="Column for the measure. For a list of images, it contains a list of measures."
    )

    def measure(self, picture: Picture) -> float | Mapping[str, float]:
        """The measure of an image, or several by name. Raises MediaError if it has none."""
        raise NotImplementedError

    def reads_headers(self) -> bool:
        """Unless it needs pixels."""
        return not self.needs() and not self.runs_user_code()


class PixelFilter(ImageFilter):
    """A filter that needs pixels."""

    abstract: ClassVar[bool] = True

    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image. Larger ones fail."
    )

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels


class ImageSignature(ImageStep, MediaSignature):
    """Computes a value for the image of each row, such as a hash; for steps that are not filters or maps."""

    abstract: ClassVar[bool] = True

    def sign(self, picture: Picture) -> Any:
        """The value of an image: small, and picklable. Raises MediaError if it has none."""
        raise NotImplementedError

    def reads_headers(self) -> bool:
        """Unless it needs pixels."""
        return not self.needs() and not self.runs_user_code()


class ImageMap(ImageStep, MediaMap):
    """Change the images of each row."""

    abstract: ClassVar[bool] = True

    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image. Larger ones fail."
    )

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The new pixels (height x width x 3, RGB), or None to leave the image and its file unchanged."""
        raise NotImplementedError

    def encoding(self, picture: Picture) -> Encoding:
        """How the changed image is written: by default as an earlier step chose, or in the format of the file.

        Formats that cannot be written become JPEG.
        """
        from datajob.media.picture import Edited, Encoding

        if isinstance(picture, Edited):
            return picture.encoding
        return Encoding(picture.format if picture.format in ("JPEG", "PNG", "WEBP") else "JPEG")

    def edited(self, picture: Picture) -> Edited | None:
        """The image that `change` returns."""
        from datajob.media.picture import Edited

        pixels = self.change(picture)
        return None if pixels is None else Edited(pixels, self.encoding(picture))


__all__ = ["Bound", "ImageFilter", "ImageMap", "ImageSignature", "ImageStep", "PixelFilter", "min_max"]
