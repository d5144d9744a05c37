"""llava: LLaVA-NeXT, the preset of visionLanguage."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference.vision_language import VisionLanguage
from datajob.parameters import NewColumn


class Llava(VisionLanguage):
    """Describe images with LLaVA-NeXT.

    `visionLanguage` with the model llava-hf/llama3-llava-next-8b-hf (or another one of its family) and its own question.

    Example:

        - llava: {image: image, prompt: "描述这张图片的内容", output: caption, maxNewTokens: 200}
    """

    model: str = Field(
        default="llava-hf/llama3-llava-next-8b-hf",
        min_length=1,
        description="A LLaVA-NeXT model: name on the hub, or a folder that every worker sees (`/...`, `./...` or `~/...`).",
    )
    prompt: str = Field(
        default="描述这张图片的内容",
        min_length=1,
        description="What the model is asked; `{column}` stands for the row's value. The default asks what is in the picture.",
    )
    output: NewColumn = Field(default="caption", description="Column for the answer.")

    def settings(self) -> Settings:
        """What is loaded, of this family only."""
        return dataclasses.replace(super().settings(), model_type="llava_next")
