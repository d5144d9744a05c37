"""watermark: keep rows whose image has no watermark."""

from __future__ import annotations

from pydantic import Field

from datajob.operators.inference._classes import ImageClasses
from datajob.parameters import FilePath


class Watermark(ImageClasses):
    """Keep rows whose image has no watermark: the probability of the class for watermarks, from 0 to 1.

    The model, the scale and the limit are those of Data-Juicer's `image_watermark_filter`. Sets derived from LAION use
    `max: 0.5` with another model.

    Example:

        - watermark: {max: 0.5, output: watermark}
    """

    model: FilePath = Field(
        default="amrul-hzz/watermark_detector",
        description="Image classifier: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` "
        "and must be accessible to every worker.",
    )
    min: float | None = Field(default=None, ge=0, le=1, description="Minimum probability.")
    max: float | None = Field(default=0.8, ge=0, le=1, description="Maximum probability.")
