"""nsfw: keep rows whose image is safe for work."""

from __future__ import annotations

from pydantic import Field

from datajob.operators.inference._classes import ImageClasses
from datajob.parameters import FilePath


class Nsfw(ImageClasses):
    """Keep rows whose image is safe for work: the probability of the class for other images, from 0 to 1.

    The model, the scale and the limit are those of Data-Juicer's `image_nsfw_filter`. MMC4 uses `max: 0.1` with another model,
    and NeMo Curator 0.5 with a classifier of CLIP embeddings; probabilities of different models do not compare.

    Example:

        - nsfw: {max: 0.1, output: nsfw}
        - nsfw: {model: /models/nsfw-five-classes, labels: [porn, hentai], max: 0.5}
    """

    model: FilePath = Field(
        default="Falconsai/nsfw_image_detection",
        description="Image classifier: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` "
        "and must be accessible to every worker.",
    )
    min: float | None = Field(default=None, ge=0, le=1, description="Minimum probability.")
    max: float | None = Field(default=0.5, ge=0, le=1, description="Maximum probability.")
