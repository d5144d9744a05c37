"""aesthetics: keep rows whose image looks good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators.inference._embedding_model import EmbeddingModel
from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._image_filter import ImageModelFilter
from datajob.operators.inference._image_model import Vectors
from datajob.operators.media.removal import KeepImagesWithTexts
from datajob.parameters import FilePath

if TYPE_CHECKING:
    from datajob.operators.inference._engines.images import ImageEngine


class Aesthetics(EmbeddingModel, KeepImagesWithTexts, ImageModelFilter):
    """Keep rows whose image looks good: the score of LAION's predictor of aesthetics, from about 1 to 10.

    The predictor (`head`) is a chain of linear layers on the CLIP embedding of length one. The scale is that of LAION, whose
    subsets start at 4.5 to 6. Data-Juicer's `image_aesthetics_filter` divides the score by 10: its 0.5 is 5 here. NeMo
    Curator does not divide it, so its default of 0.5 keeps everything.

    Example:

        - aesthetics: {min: 5, output: aesthetics}
    """

    head: FilePath = Field(
        default="ttj/sac-logos-ava1-l14-linearMSE",
        description="Predictor: a file (.safetensors, .pth), or `owner/name` or `owner/name/file` on the Hugging Face Hub. Its "
        "input must have the size of the embeddings of `model`.",
    )
    activation: Literal["none", "relu"] = Field(
        default="none", description="Function between the layers of the head: none in LAION's `linearMSE`, `relu` in `reluMSE`."
    )
    min: float | None = Field(default=5.0, description="Minimum score.")
    max: float | None = Field(default=None, description="Maximum score.")

    def scores(self, row: Vectors, model: ImageEngine) -> list[float | RequestError]:
        """The score of each image."""
        from datajob.operators.inference._head import load_head

        head = load_head(self.head, self.activation == "relu")
        return [v if isinstance(v, RequestError) else self._score(head, v) for v in row.images]

    def _score(self, head: object, vector: object) -> float:
        from datajob.operators.inference._head import Head

        assert isinstance(head, Head)
        import numpy as np

        vectors = np.asarray(vector, dtype=np.float32)[None]
        if vectors.shape[1] != head.inputs:
            raise InvalidJob(
                f"The head {self.head} expects embeddings of {head.inputs} numbers, but those of {self.model} have "
                f"{vectors.shape[1]}. Use the model that the head was trained with."
            )
        return float(head(vectors)[0])
