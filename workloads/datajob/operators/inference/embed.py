"""embed: a vector for each text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Batch
from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError, Settings
from datajob.operators.inference._model import InferenceStep, rows_of
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa


class Embed(InferenceStep):
    """Turn each text into a vector of length one, for search and for grouping by meaning.

    Example:

        - embed: {model: intfloat/multilingual-e5-small, column: text, prefix: "query: "}
    """

    column: Column = Field(description="Column of the texts.")
    output: NewColumn = Field(default="embedding", description="Column for the vectors (lists of float32).")
    pooling: Literal["mean", "first", "last"] = Field(
        default="mean", description="How the states of the tokens become one vector: their mean, the first, or the last."
    )
    prefix: str = Field(default="", description="Put before each text, where the model wants one (`query: `, say).")
    max_length: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Tokens after which a text is cut; by default the most the model takes."
    )

    def settings(self) -> Settings:
        """What is loaded."""
        return Settings(
            "embed", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows, pooling=self.pooling, max_length=self.max_length,
        )  # fmt: skip

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """The text of each row."""
        texts = (row[self.column] for row in rows_of(batch, (self.column,)))
        options = Options(chat=False)
        return [RequestError("there is no text in this row") if t is None else Request(self.prefix + t, options) for t in texts]

    def answered(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """The vectors."""
        import pyarrow as pa

        return {self.output: pa.array([a.vector for a in answers], pa.list_(pa.float32()))}
