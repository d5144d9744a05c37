"""Base of the steps that prompt a vision-language model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.base import Batch
from datajob.operators.inference._engines.base import Options, Settings
from datajob.operators.inference._generation import Generation
from datajob.operators.inference._images import images_of
from datajob.operators.inference._tiles import with_tiles
from datajob.operators.media.image import MAX_PIXELS
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa


class VisionModel(Generation):
    """Base of the steps that prompt a vision-language model."""

    abstract: ClassVar[bool] = True

    image: Column = Field(default="image", description="Column with an image or a list of images.")
    output: NewColumn = Field(default="answer", description="Column (string) for the answer.")
    image_folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=2_000_000_000, description="Maximum number of pixels of an image. Larger ones fail."
    )
    static_cache: bool = Field(
        default=False,
        description="Use a key-value cache of fixed size (transformers on accelerators).",
    )

    def text_column(self) -> str:
        """The column for the answers."""
        return self.output

    def settings(self) -> Settings:
        """The model to load."""
        return Settings(
            "vision", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows, self.static_cache,
        )  # fmt: skip

    def options(self) -> Options:
        """The options of generation and those of images."""
        return dataclasses.replace(super().options(), max_pixels=self.max_pixels, folder=self.image_folder)

    def prepare(self, batch: Batch, preparation: Any) -> pa.Table:
        """The images as tiles, so that the process with the model does not decode them."""
        column = with_tiles(batch.array(self.image), lambda image: preparation(image, self.max_pixels, self.image_folder))
        return batch.table.set_column(batch.table.column_names.index(self.image), self.image, column)

    def images(self, batch: Batch) -> list[tuple[Any, ...]]:
        """The images of each row, as in the column."""
        return images_of(batch.array(self.image))
