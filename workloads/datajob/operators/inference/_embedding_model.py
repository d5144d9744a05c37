"""Base of the steps that use embeddings of images: they share one copy of a model and the embeddings of recent images."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._image_model import ImageModel
from datajob.parameters import FilePath


class EmbeddingModel(ImageModel):
    """Base of the steps that use embeddings of images."""

    abstract: ClassVar[bool] = True

    model: FilePath = Field(
        default="openai/clip-vit-large-patch14",
        description="CLIP or SigLIP model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` "
        "and must be accessible to every worker.",
    )

    def settings(self) -> Settings:
        """The model, the same for all of these steps."""
        return Settings("imageEmbed", self.model, self.revision, "transformers", self.dtype, batch_rows=self.batch_rows)
