"""textGeneration: prompt a language model."""

from __future__ import annotations

from pydantic import Field

from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._generation import Generation
from datajob.parameters import NewColumn


class TextGeneration(Generation):
    """Prompt a language model with each row, for example to rewrite, classify, translate or grade it.

    Example:

        - textGeneration:
            model: Qwen/Qwen3-4B-Instruct-2507
            prompt: "Is this text about medicine? Answer yes or no: {text}"
            maxNewTokens: 3
    """

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
