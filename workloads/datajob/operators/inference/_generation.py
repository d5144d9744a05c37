"""What steps share whose model writes text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from datajob.operators.base import Batch, Order
from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError
from datajob.operators.inference._model import InferenceStep, rows_of, seed_of
from datajob.operators.inference._prompt import fields, fill
from datajob.parameters import NewColumn

if TYPE_CHECKING:
    import pyarrow as pa


class Generation(InferenceStep):
    """Base of the steps whose model writes text."""

    abstract: ClassVar[bool] = True

    prompt: str = Field(
        min_length=1, description="What the model is asked; `{column}` stands for the row's value. Write {{ and }} for braces."
    )
    system: str | None = Field(default=None, min_length=1, description="System prompt.")
    chat_template: bool = Field(
        default=True, description="Wrap the prompt by the model's chat template; false: `prompt` is the whole text."
    )
    max_new_tokens: int = Field(default=1000, ge=1, le=1_000_000, description="Most tokens of an answer; a longer one is cut.")
    temperature: float = Field(default=0.0, ge=0, le=10, description="0 takes the likeliest token; above, tokens are sampled.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Sample among the likeliest tokens of this share.")
    top_k: int = Field(default=0, ge=0, le=1_000_000, description="Sample among this many likeliest tokens; 0: all.")
    seed: int = Field(default=0, ge=0, le=2**53, description="Of the sampling; with the row's content it decides its answer.")
    finish_reason_column: NewColumn | None = Field(
        default=None, description="Column for why the answer ended: `stop`, or `length` when maxNewTokens cut it."
    )

    @field_validator("prompt")
    @classmethod
    def _sound(cls, prompt: str) -> str:
        fields(prompt)
        if not prompt.strip():
            raise ValueError("the prompt is empty")
        return prompt

    def inputs(self) -> Order:
        """Marked columns and those that the prompt names."""
        return tuple(dict.fromkeys((*super().inputs(), *fields(self.prompt))))

    def text_column(self) -> str:
        """Where the answers go."""
        raise NotImplementedError

    def options(self) -> Options:
        """How answers are made."""
        return Options(
            self.max_new_tokens, self.temperature, self.top_p, self.top_k, system=self.system, chat=self.chat_template
        )

    def images(self, batch: Batch) -> list[tuple[Any, ...]]:
        """The images of each row; none for models of text."""
        return [()] * len(batch)

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """The prompt of each row with its images."""
        options = self.options()
        rows = rows_of(batch, fields(self.prompt))
        found: list[Request | RequestError] = []
        for row, images in zip(rows, self.images(batch), strict=True):
            prompt = fill(self.prompt, row)
            seed = seed_of(self.seed, prompt, images) if self.temperature > 0 else 0
            found.append(Request(prompt, options, images, seed))
        return found

    def answered(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """Text, and why it ended."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {self.text_column(): pa.array([a.text for a in answers], pa.string())}
        if self.finish_reason_column:
            columns[self.finish_reason_column] = pa.array([a.finish_reason for a in answers], pa.string())
        return columns
