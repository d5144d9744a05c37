"""imageEmbed: compute image embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from datajob.media.values import is_list
from datajob.operators.base import Batch, Inferred
from datajob.operators.inference._embedding_model import EmbeddingModel
from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._image_model import Vectors
from datajob.parameters import FilePath, NewColumn

if TYPE_CHECKING:
    from datajob.operators.inference._engines.images import ImageEngine


class ImageEmbed(EmbeddingModel):
    """Compute an embedding of each image, a vector of length one, for search, clustering and deduplication.

    CLIP and SigLIP models embed images and texts in the same space. Of DINOv2, ViT and similar models, the embedding is the
    last hidden state of the class token. For a list of images, the column contains a list of embeddings.

    Example:

        - imageEmbed: {model: facebook/dinov2-base}
        - semanticDedup: {column: embedding, threshold: 0.95}
    """

    model: FilePath = Field(
        default="openai/clip-vit-large-patch14",
        description="CLIP, SigLIP, DINOv2 or ViT model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, "
        "`./` or `~` and must be accessible to every worker.",
    )
    output: NewColumn = Field(default="embedding", description="Column (list of float32) for the embedding.")

    def finish(self, batch: Batch, rows: Sequence[Vectors], model: ImageEngine) -> Inferred:
        """The embeddings. A row fails with its first image that cannot be decoded."""
        import pyarrow as pa

        lists = is_list(batch.array(self.column).type)
        failed = {
            at: str(error)
            for at, row in enumerate(rows)
            if (error := next((v for v in row.images if isinstance(v, RequestError)), None)) is not None
        }
        values = [None if at in failed else row.value(row.images) for at, row in enumerate(rows)]
        kind = pa.list_(pa.float32())
        return Inferred({self.output: pa.array(values, pa.list_(kind) if lists else kind)}, failed)
