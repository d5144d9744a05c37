"""visionLanguage: prompt a vision-language model."""

from __future__ import annotations

from typing import ClassVar

from datajob.operators.inference._endpoint_step import EndpointStep
from datajob.operators.inference._endpoints.target import EndpointTask
from datajob.operators.inference._vision_model import VisionModel


class VisionLanguage(EndpointStep, VisionModel):
    """Prompt a vision-language model about the images of each row.

    An image is an encoded file (bytes), a path or URL, a struct with `bytes` or `path`, or pixels (height x width x
    channels); a list of these means several images. EXIF orientation, transparency, palettes, CMYK and 16-bit images are
    supported. If an image cannot be decoded, only its row fails. Greedy answers do not depend on the other rows of a batch,
    except for ties in 16-bit arithmetic.

    With `service` or `endpoint`, a server answers instead of a model that the job loads.

    Example:

        - visionLanguage: {model: Qwen/Qwen2.5-VL-7B-Instruct, prompt: "What is written on the sign?", output: sign}
        - visionLanguage: {service: captions, prompt: "What is written on the sign?", output: sign}
    """

    task: ClassVar[EndpointTask] = "vision"
