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
from datajob.media.lists import Keep
from datajob.operators.base import Batch, Bound, Filter, Map, Measures, Verdict
from datajob.operators.operator import Operator
from datajob.parameters import Column, NewColumn
from datajob.suggest import snake

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.media.picture import Encoding, Need, Picture


def min_max(step: Operator, measure: str) -> tuple[Bound, ...]:
    """The limits of a measure for the parameters `min` and `max` of a step, without those that are None."""
    limits = (("min", getattr(step, "min", None)), ("max", getattr(step, "max", None)))
    return tuple(Bound(name, measure, limit, name == "min") for name, limit in limits if limit is not None)


class ImageStep(Operator):
    """What all steps on images have in common."""

    abstract: ClassVar[bool] = True

    column: Column = Field(
        default="image", description="Column with an image: encoded bytes, a path or URL, a struct of both, or a list of these."
    )
    folder: str | None = Field(
        default=None, min_length=1, description="Folder or URL that relative image paths are resolved against."
    )

    def needs(self) -> tuple[Need, ...]:
        """The pixels that the step needs; none by default."""
        return ()

    def pixel_limit(self) -> int:
        """The most pixels of an image that the step decodes."""
        return MAX_PIXELS


class ImageFilter(ImageStep, Filter):
    """Keep rows whose image has measures within limits."""

    abstract: ClassVar[bool] = True

    keep_if: Keep = Field(
        default="any",
        alias="keep",
        description="For a list of images: keep a row if `any` or `all` of its images are within the limits, or remove `each` "
        "image that is not and keep the row.",
    )
    text: Column | None = Field(
        default=None,
        description="With `keep: each`, the column with one `<image>` per image; those of removed images are removed.",
    )
    output: NewColumn | None = Field(default=None, description="Column for the measure.")

    def measure(self, picture: Picture) -> float | Mapping[str, float]:
        """The measure of an image, or several by name. Raises MediaError if it has none."""
        raise NotImplementedError

    def measured(self) -> tuple[str, ...]:
        """The names of the measures, in order; the first is written to `output`."""
        return tuple(dict.fromkeys(bound.measure for bound in self.bounds())) or (snake(self.key),)

    def reasons(self) -> tuple[str, ...]:
        """The reason for rejecting an image that violates each limit."""
        return tuple(f"{bound.measure}_too_{'low' if bound.is_minimum else 'high'}" for bound in self.bounds())

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; rows whose image cannot be measured fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        verdict, table = found.verdict(0, batch), found.changed(batch.table)
        changed = {} if table is batch.table else {name: Batch(table).array(name) for name in table.column_names}
        return Verdict(verdict.codes, verdict.reasons, {**changed, **verdict.columns})

    def measures(self, batch: Batch) -> Measures:
        """The measures of all rows: of a list, those of its first image; NaN if there is none."""
        from datajob.operators.media.sections import Section

        return Section((self,)).run(batch).measures(0)


class PixelFilter(ImageFilter):
    """A filter that needs pixels."""

    abstract: ClassVar[bool] = True

    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image; larger ones fail."
    )

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels


class ImageSignature(ImageStep):
    """Computes a value for the image of each row, such as a hash; for steps that are not filters or maps."""

    abstract: ClassVar[bool] = True

    def sign(self, picture: Picture) -> Any:
        """The value of an image: small, and picklable. Raises MediaError if it has none."""
        raise NotImplementedError

    def signed(self, batch: Batch) -> list[Any]:
        """What `sign` returns for each row: a list of values for a list of images. Rows without an image fail, and are None."""
        from datajob.operators.media.sections import Section

        return Section((self,)).run(batch).signed(batch)


class ImageMap(ImageStep, Map):
    """Change the images of each row."""

    abstract: ClassVar[bool] = True

    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image; larger ones fail."
    )

    def pixel_limit(self) -> int:
        """The parameter `maxPixels`."""
        return self.max_pixels

    def change(self, picture: Picture) -> NDArray[np.uint8] | None:
        """The new pixels (height x width x 3, RGB), or None to leave the image and its file unchanged."""
        raise NotImplementedError

    def encoding(self, picture: Picture) -> Encoding:
        """How the changed image is written: by default in the format of the file, or as JPEG if that cannot be written."""
        from datajob.media.picture import Encoding

        return Encoding(picture.format if picture.format in ("JPEG", "PNG", "WEBP") else "JPEG")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the changed images; rows whose image cannot be changed fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        found.verdict(0, batch)
        return found.changed(batch.table)


__all__ = ["Bound", "ImageFilter", "ImageMap", "ImageSignature", "ImageStep", "PixelFilter", "min_max"]
