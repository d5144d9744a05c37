"""clipSimilarity: keep rows whose text describes their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.media.lists import PLACEHOLDER
from datajob.operators.base import Batch, Bound
from datajob.operators.inference._embedding_model import EmbeddingModel
from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._image_filter import ImageModelFilter
from datajob.operators.inference._image_model import Vectors
from datajob.operators.inference._top_scores import TopScores
from datajob.parameters import Column, FilePath

if TYPE_CHECKING:
    from datajob.operators.inference._engines.images import ImageEngine
    from datajob.operators.operator import Operator, Order


class ClipSimilarity(EmbeddingModel, ImageModelFilter):
    """Keep rows whose text describes their image: the cosine of their CLIP embeddings, from -1 to 1.

    The scale is that of Data-Juicer's `image_text_similarity_filter` and of NeMo Curator, which keep cosines from 0.1 (B/32)
    and 0.15 (L/14) on. LAION used 0.28 to 0.3 for ViT-B/32, and DataComp keeps the top 30% for ViT-L/14. Limits of different
    models do not compare; the report contains the model. Texts are truncated at the maximum of the model, 77 tokens for CLIP.

    With `top`, the fraction of the rows with the highest similarities is kept, exactly and across the whole input, as by the
    step `top`. Of a list of texts, the most similar one counts for each image.

    Example:

        - clipSimilarity: {text: caption, top: 0.3, output: similarity}
        - clipSimilarity: {column: images, text: texts, texts: texts, min: 0.25, keep: each}
    """

    model: FilePath = Field(
        default="openai/clip-vit-base-patch32",
        description="CLIP or SigLIP model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` "
        "and must be accessible to every worker.",
    )
    text: Column = Field(
        default="text",
        description="Column with a text or a list of texts. `<image>` in a text is not compared.",
    )
    placeholders: Column | None = Field(
        default=None,
        description="With `keep: each`, the column with one `<image>` per image. Those of removed images are removed.",
    )
    texts: Column | None = Field(
        default=None,
        description="With `keep: each`, the column with a list as long as that of the images, as in OBELICS. Where it is null, "
        "the position of a removed image is removed from both lists; where it is not, the image becomes null.",
    )
    min: float | None = Field(default=0.2, ge=-1, le=1, description="Minimum cosine; not used with `top`.")
    max: float | None = Field(default=None, ge=-1, le=1, description="Maximum cosine.")
    top: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the rows to keep, instead of `min` and `max`; rounded up. For a list of images, its highest "
        "similarity counts, or the lowest with `keep: all`. The similarity is written to `output`, or `clipSimilarity`.",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.top is None:
            return self
        if {"min", "max"} & {name for name in self.model_fields_set if getattr(self, name) is not None}:
            raise ValueError("`top` cannot be combined with `min` or `max`")
        if self.keep_if == "each":
            raise ValueError("`top` keeps or rejects whole rows, so it cannot be combined with `keep: each`")
        return self

    def expanded(self) -> tuple[Operator, ...]:
        """The step that scores, and for `top`, the one that needs the scores of all rows."""
        if self.top is None:
            return (self,)
        return self, TopScores(by=self.score_column(), fraction=self.top, lowest_counts=self.keep_if == "all")

    def score_column(self) -> str:
        """With `top`, a column that remains."""
        return self.key if self.top is not None and self.output is None else super().score_column()

    def written(self) -> Order:
        """With `top`, the column of the scores always exists."""
        return (self.score_column(),) if self.top is not None or self.output is not None else ()

    def bounds(self) -> tuple[Bound, ...]:
        """Without `top`, the limits."""
        return () if self.top is not None else super().bounds()

    def marked_text(self) -> str | None:
        """The parameter `placeholders`."""
        return self.placeholders

    def paired_texts(self) -> str | None:
        """The parameter `texts`."""
        return self.texts

    def compared_texts(self, batch: Batch) -> list[list[str] | RequestError]:
        """The texts of each row without placeholders."""
        return [_texts(value) for value in batch.array(self.text).to_pylist()]

    def scores(self, row: Vectors, model: ImageEngine) -> list[float | RequestError]:
        """The cosine of each image and the text that is most similar to it."""
        import numpy as np

        for text in row.texts:
            if isinstance(text, RequestError):
                raise text
        texts = np.stack(row.texts)
        return [v if isinstance(v, RequestError) else float((texts @ v).max()) for v in row.images]


def _texts(value: Any) -> list[str] | RequestError:
    """The texts in a value that are not empty."""
    if value is not None and not isinstance(value, str | list):
        return RequestError(f"notText: the text is a {type(value).__name__}, but must be a string or a list of strings")
    texts = [text for text in ([value] if not isinstance(value, list) else value) if text is not None]
    if any(not isinstance(text, str) for text in texts):
        return RequestError("notText: the list contains values that are not strings")
    found = [" ".join(text.replace(PLACEHOLDER, " ").split()) for text in texts]
    found = [text for text in found if text]
    return found or RequestError("noText: the row has no text")
