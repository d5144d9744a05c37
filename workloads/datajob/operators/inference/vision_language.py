"""visionLanguage: a model that answers questions about images."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import Field

from datajob.operators.base import Batch
from datajob.operators.inference._engines.base import Options, Settings
from datajob.operators.inference._generation import Generation
from datajob.operators.inference._images import images_of
from datajob.operators.media.image import MAX_PIXELS
from datajob.parameters import Column, NewColumn


class VisionLanguage(Generation):
    """Ask a vision-language model about the images of each row.

    The image is a file in bytes, a path or URL, a struct with `bytes` or `path`, pixels (height x width x channels), or a
    list of these for several images. EXIF orientation, transparency, palettes, CMYK and 16 bits are taken care of. A row
    whose image cannot be decoded fails alone. Greedy answers do not depend on which rows share a batch, but for ties in
    16 bit arithmetic.

    Example:

        - visionLanguage: {model: Qwen/Qwen2.5-VL-7B-Instruct, prompt: "What is written on the sign?", output: sign}
    """

    image: Column = Field(default="image", description="Column with the image, or with a list of images.")
    output: NewColumn = Field(default="answer", description="Column for the answer.")
    image_folder: str | None = Field(
        default=None, min_length=1, description="Folder or URL below which relative paths of images lie."
    )
    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="An image of more pixels than this fails, by its header alone."
    )
    static_cache: bool = Field(
        default=False,
        description="Keep the attention's keys and values in one block of fixed size (transformers on accelerators).",
    )

    def text_column(self) -> str:
        """The answers."""
        return self.output

    def settings(self) -> Settings:
        """What is loaded."""
        return Settings(
            "vision", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows, self.static_cache,
        )  # fmt: skip

    def options(self) -> Options:
        """With what concerns images."""
        return dataclasses.replace(super().options(), max_pixels=self.max_pixels, folder=self.image_folder)

    def images(self, batch: Batch) -> list[tuple[Any, ...]]:
        """As they are in the column."""
        return images_of(batch.array(self.image))
