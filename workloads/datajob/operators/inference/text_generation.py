"""textGeneration: prompt a language model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators.inference._endpoint_step import EndpointStep
from datajob.operators.inference._endpoints.target import EndpointTask
from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._generation import Generation
from datajob.parameters import NewColumn


class TextGeneration(EndpointStep, Generation):
    """Prompt a language model with each row, for example to rewrite, classify, translate or grade it.

    With `service` or `endpoint`, a server answers instead of a model that the job loads.

    Example:

        - textGeneration:
            model: Qwen/Qwen3-4B-Instruct-2507
            prompt: "Is this text about medicine? Answer yes or no: {text}"
            maxNewTokens: 3
        - textGeneration:
            endpoint: {url: "https://api.openai.com/v1", keyFrom: {env: OPENAI_API_KEY}, model: gpt-5-mini}
            prompt: "Translate to German: {text}"
    """

    task: ClassVar[EndpointTask] = "text"

    output: NewColumn = Field(default="answer", description="Column (string) for the answer.")

    def text_column(self) -> str:
        """The column for the answers."""
        return self.output

    def settings(self) -> Settings:
        """The model to load."""
        return Settings(
            "text", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows,
        )  # fmt: skip
