"""textGeneration: a language model that answers a prompt made of the row."""

from __future__ import annotations

from pydantic import Field

from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._generation import Generation
from datajob.parameters import NewColumn


class TextGeneration(Generation):
    """Ask a language model something about each row: to rewrite, to classify, to translate, to grade.

    Example:

        - textGeneration:
            model: Qwen/Qwen3-4B-Instruct-2507
            prompt: "Is this text about medicine? Answer yes or no: {text}"
            maxNewTokens: 3
    """

    output: NewColumn = Field(default="answer", description="Column for the answer.")

    def text_column(self) -> str:
        """The answers."""
        return self.output

    def settings(self) -> Settings:
        """What is loaded."""
        return Settings(
            "text", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows,
        )  # fmt: skip
