"""llava: visionLanguage with defaults for LLaVA-NeXT."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._vision_model import VisionModel
from datajob.parameters import NewColumn


class Llava(VisionModel):
    """Describe images with LLaVA-NeXT.

    This is `visionLanguage` with the model llava-hf/llama3-llava-next-8b-hf, or another model of its family, and a default
    prompt.

    Example:

        - llava: {image: image, prompt: "描述这张图片的内容", output: caption, maxNewTokens: 200}
    """

    model: str = Field(
        default="llava-hf/llama3-llava-next-8b-hf",
        min_length=1,
        description="LLaVA-NeXT model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~/` and "
        "must be accessible to every worker.",
    )
    prompt: str = Field(
        default="描述这张图片的内容",
        min_length=1,
        description="Prompt; `{column}` inserts the value of a column. The default asks for a description of the image.",
    )
    output: NewColumn = Field(default="caption", description="Column (string) for the answer.")

    def settings(self) -> Settings:
        """The model to load, of this family only."""
        return dataclasses.replace(super().settings(), model_type="llava_next")
