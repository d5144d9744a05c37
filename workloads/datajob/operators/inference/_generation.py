"""Base of the steps whose model generates text."""

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
    """Base of the steps whose model generates text."""

    abstract: ClassVar[bool] = True

    prompt: str = Field(
        min_length=1, description="Prompt; `{column}` inserts the value of a column. Write {{ and }} for literal braces."
    )
    system: str | None = Field(default=None, min_length=1, description="System prompt.")
    chat_template: bool = Field(
        default=True, description="Apply the chat template of the model; otherwise `prompt` is the complete text."
    )
    max_new_tokens: int = Field(
        default=1000, ge=1, le=1_000_000, description="Maximum number of tokens of an answer; longer ones are truncated."
    )
    temperature: float = Field(
        default=0.0, ge=0, le=10, description="Sampling temperature; 0 always takes the most likely token."
    )
    top_p: float = Field(default=1.0, gt=0, le=1, description="Sample from the most likely tokens with this total probability.")
    top_k: int = Field(default=0, ge=0, le=1_000_000, description="Sample from this number of most likely tokens; 0 for all.")
    seed: int = Field(
        default=0, ge=0, le=2**53, description="Seed of the sampling; an answer depends only on the seed and its row."
    )
    finish_reason_column: NewColumn | None = Field(
        default=None, description="Column (string) for why the answer ended: `stop`, or `length` if it was truncated."
    )

    @field_validator("prompt")
    @classmethod
    def _sound(cls, prompt: str) -> str:
        fields(prompt)
        if not prompt.strip():
            raise ValueError("the prompt is empty")
        return prompt

    def inputs(self) -> Order:
        """The columns of the parameters and those in the prompt."""
        return tuple(dict.fromkeys((*super().inputs(), *fields(self.prompt))))

    def text_column(self) -> str:
        """The column for the answers."""
        raise NotImplementedError

    def options(self) -> Options:
        """The options of generation."""
        return Options(
            self.max_new_tokens, self.temperature, self.top_p, self.top_k, system=self.system, chat=self.chat_template
        )

    def images(self, batch: Batch) -> list[tuple[Any, ...]]:
        """The images of each row; none for language models."""
        return [()] * len(batch)

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """The prompt and the images of each row."""
        options = self.options()
        rows = rows_of(batch, fields(self.prompt))
        found: list[Request | RequestError] = []
        for row, images in zip(rows, self.images(batch), strict=True):
            prompt = fill(self.prompt, row)
            seed = seed_of(self.seed, prompt, images) if self.temperature > 0 else 0
            found.append(Request(prompt, options, images, seed))
        return found

    def output_columns(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """The text of each answer and why it ended."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {self.text_column(): pa.array([a.text for a in answers], pa.string())}
        if self.finish_reason_column:
            columns[self.finish_reason_column] = pa.array([a.finish_reason for a in answers], pa.string())
        return columns
