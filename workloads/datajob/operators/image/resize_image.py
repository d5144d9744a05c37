"""resizeImage: reduce images to a size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.media.errors import MediaError
from datajob.operators.media.steps import ImageMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.picture import Need, Picture

_Size = tuple[int, int]


class ResizeImage(ImageMap):
    """Resize images to fit a box of `width` x `height` pixels, or of `side` x `side`.

    | Mode | Result | img2dataset |
    |---|---|---|
    | `keepRatio` | The whole image; its longer side fits the box | `keep_ratio_largest` |
    | `centerCrop` | The center of the image; it fills the box | `center_crop` |
    | `pad` | The whole image on a background of the size of the box | `border` |

    By default, images are reduced by averaging areas, after a JPEG decoder has reduced them by 1/2, 1/4 or 1/8 if that
    suffices. Other values of `resample` are the filters of Pillow, which process the whole image and take longer: CLIP and most
    models for images use `bicubic`.

    Smaller images are enlarged only with `upscale`; without it, `centerCrop` only cuts them. An image that already has the size
    keeps its file unchanged. Results are upright RGB without metadata, in the format of the file if that is JPEG, PNG or WebP,
    and otherwise as JPEG with quality 95.

    Example:

        - resizeImage: {side: 336, mode: centerCrop}
        - resizeImage: {side: 224, mode: centerCrop, resample: bicubic, upscale: true}
    """

    side: int | None = Field(default=None, ge=1, le=65_000, description="Width and height of the box, in pixels.")
    width: int | None = Field(default=None, ge=1, le=65_000, description="Width of the box, in pixels. Set `height`, too.")
    height: int | None = Field(default=None, ge=1, le=65_000, description="Height of the box, in pixels. Set `width`, too.")
    mode: Literal["keepRatio", "centerCrop", "pad"] = Field(default="keepRatio", description="How the image fits the box.")
    resample: Literal["area", "nearest", "bilinear", "bicubic", "lanczos"] = Field(
        default="area",
        description="How pixels are computed. `area` averages when it reduces images, and uses Lanczos when it enlarges them, "
        "as img2dataset does by default.",
    )
    upscale: bool = Field(default=False, description="Enlarge images that are smaller than the box.")
    background: tuple[int, int, int] = Field(
        default=(255, 255, 255), description="Color of the background for `pad`: red, green and blue from 0 to 255."
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.side is None) != (self.width is not None and self.height is not None) or (self.width is None) != (
            self.height is None
        ):
            raise ValueError("set either `side`, or `width` and `height`")
        if not all(0 <= level <= 255 for level in self.background):
            raise ValueError("`background` must be three numbers from 0 to 255")
        return self

    def box(self) -> _Size:
        """Width and height of the box."""
        return (self.side, self.side) if self.side else (self.width or 1, self.height or 1)

    def needs(self) -> tuple[Need, ...]:
        """The colors at a size that is at least that of the result, or of the whole image for the filters of Pillow."""
        from datajob.media.picture import Need

        if self.resample != "area":
            return (Need("rgb"),)
        if self.mode == "centerCrop":
            return (Need("rgb", shorter=max(self.box())),)
        return (Need("rgb", longer=max(self.box())),)

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The image in the box; None if it fits as it is."""
        import numpy as np

        (width, height), whole = self.box(), (picture.width, picture.height)
        size = self._scaled(*whole)
        if size == whole and (self.mode == "keepRatio" or whole == (width, height)):
            return None
        if size[0] * size[1] > max(self.max_pixels, whole[0] * whole[1]):
            text = f"the image of {whole[0]} x {whole[1]} pixels would be enlarged to {size[0]} x {size[1]}"
            raise MediaError("tooManyPixels", f"{text}; `maxPixels` allows {self.max_pixels:,}")
        pixels = _resized(picture.pixels(*self.needs()), size, self.resample)
        if self.mode == "keepRatio":
            return pixels
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        pixels = np.ascontiguousarray(pixels[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width])
        if self.mode == "centerCrop":
            return pixels
        padded = np.full((height, width, 3), self.background, np.uint8)
        padded[-top : size[1] - top, -left : size[0] - left] = pixels
        return padded

    def _scaled(self, width: int, height: int) -> _Size:
        """The size of the whole image before it is cut or padded."""
        ratios = self.box()[0] / width, self.box()[1] / height
        scale = max(ratios) if self.mode == "centerCrop" else min(ratios)
        scale = scale if self.upscale else min(scale, 1.0)
        return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(pixels: NDArray[np.uint8], size: _Size, resample: str) -> NDArray[np.uint8]:
    if pixels.shape[1::-1] == size:
        return pixels
    if resample != "area":
        import numpy as np
        from PIL import Image

        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling[resample.upper()]))
    if size[0] <= pixels.shape[1] and size[1] <= pixels.shape[0]:
        from datajob.media.picture import averaged

        return averaged(pixels, size)
    import cv2

    found: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_LANCZOS4)
    return found  # type: ignore[no-any-return]
