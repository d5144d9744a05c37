"""classifyImage: assign one of several labels to each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.media.values import is_list
from datajob.operators.base import Batch, Inferred
from datajob.operators.inference._embedding_model import EmbeddingModel
from datajob.operators.inference._engines.base import Options, Request, RequestError
from datajob.operators.inference._image_model import Vectors
from datajob.operators.inference._prompt import fields, fill
from datajob.parameters import NewColumn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.inference._engines.images import ImageEngine


class ClassifyImage(EmbeddingModel):
    """Assign one of several labels to each image, without training (zero-shot), by the similarity of CLIP embeddings.

    The label with the highest probability is written. CLIP's probabilities of all labels add up to 1, so one of them is high
    even if no label fits; add a label such as `other`. SigLIP's probability of a label does not depend on the others. Use
    `filter` to keep the rows with a label. For a list of images, the column contains a list of labels.

    Example:

        - classifyImage: {labels: [photo, drawing, screenshot, document], scoreColumn: score}
        - filter: {where: "label = 'photo' and score > 0.5"}
    """

    labels: tuple[str, ...] = Field(min_length=2, max_length=1000, description="Labels, at least two.")
    template: str = Field(
        default="a photo of a {label}",
        min_length=1,
        description="Text that is compared with the image; `{label}` is the label.",
    )
    min: float = Field(default=0, ge=0, le=1, description="Minimum probability; below it, the label is null.")
    output: NewColumn = Field(default="label", description="Column (string) for the label.")
    score_column: NewColumn | None = Field(default=None, description="Column (double) for the probability of the label.")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if fields(self.template) != ("label",):
            raise ValueError("`template` must contain `{label}` and no other braces")
        if any(not label.strip() for label in self.labels) or len(set(self.labels)) < len(self.labels):
            raise ValueError("`labels` must be different and not empty")
        return self

    def finish(self, batch: Batch, rows: Sequence[Vectors], model: ImageEngine) -> Inferred:
        """The labels and their probabilities. A row fails with its first image that cannot be decoded."""
        import pyarrow as pa

        texts = self._label_vectors(model)
        lists = is_list(batch.array(self.column).type)
        failed: dict[int, str] = {}
        found: list[list[tuple[str | None, float]]] = []
        for at, row in enumerate(rows):
            errors = [v for v in row.images if isinstance(v, RequestError)]
            if errors:
                failed[at] = str(errors[0])
            found.append([] if errors else [self._label(v, texts, model) for v in row.images])
        columns = {}
        for place, (name, kind) in enumerate(((self.output, pa.string()), (self.score_column, pa.float64()))):
            if name is not None:
                values = [row.value([pair[place] for pair in pairs]) for row, pairs in zip(rows, found, strict=True)]
                columns[name] = pa.array(values, pa.list_(kind) if lists else kind)
        return Inferred(columns, failed)

    def _label(self, vector: Any, texts: NDArray[np.float32], model: ImageEngine) -> tuple[str | None, float]:
        import numpy as np

        logits = (texts @ vector).astype(np.float64) * model.scale + model.bias
        if model.softmax:
            exponents = np.exp(logits - logits.max())
            probabilities = exponents / exponents.sum()
        else:
            probabilities = 1 / (1 + np.exp(-logits))
        best = int(probabilities.argmax())
        score = float(probabilities[best])
        return (self.labels[best] if score >= self.min else None), score

    def _label_vectors(self, model: ImageEngine) -> NDArray[np.float32]:
        """The embeddings of the labels, which the model computes once."""
        import numpy as np

        key = ("labels", self.template, self.labels)
        found = model.recall(key)
        if found is None:
            options = Options(chat=False)
            answers = model.submit([Request(fill(self.template, {"label": label}), options) for label in self.labels])
            found = np.stack([np.asarray(answer.result().vector, dtype=np.float32) for answer in answers])
            model.remember(key, found)
        return np.asarray(found)
