"""Base of the filters by the probability that a model assigns to classes of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators.inference._engines.base import RequestError, Settings
from datajob.operators.inference._image_filter import ImageModelFilter
from datajob.operators.inference._image_model import Vectors
from datajob.operators.media.removal import KeepImagesWithTexts

if TYPE_CHECKING:
    from datajob.operators.inference._engines.images import ImageEngine


class ImageClasses(KeepImagesWithTexts, ImageModelFilter):
    """Keep rows by the probability that a classifier assigns to some of its classes."""

    abstract: ClassVar[bool] = True

    labels: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Classes whose probabilities are added. By default, the second class of a model with two classes.",
    )

    def settings(self) -> Settings:
        """The classifier."""
        return Settings("imageClassify", self.model, self.revision, "transformers", self.dtype, batch_rows=self.batch_rows)

    def scores(self, row: Vectors, model: ImageEngine) -> list[float | RequestError]:
        """The probability of the classes for each image."""
        positions = _positions(self.labels, model.labels, self.key, self.model)
        return [v if isinstance(v, RequestError) else min(1.0, float(v[positions].sum(dtype="float64"))) for v in row.images]


def _positions(labels: tuple[str, ...] | None, known: tuple[str, ...], key: str, model: str) -> list[int]:
    """The positions of the classes. Raises InvalidJob for a class that the model does not have."""
    there = ", ".join(known[:20])
    if labels is None:
        if len(known) != 2:
            raise InvalidJob(f"`{key}`: the model {model} has {len(known)} classes. Set `labels` to some of them: {there}.")
        return [1]
    lower = [name.lower() for name in known]
    for label in labels:
        if label.lower() not in lower:
            raise InvalidJob(f"`{key}`: the model {model} has no class `{label}`. Its classes are {there}.")
    return sorted({lower.index(label.lower()) for label in labels})
