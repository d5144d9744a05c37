"""embed: compute text embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from datajob.operators.base import Batch
from datajob.operators.inference._endpoint_step import EndpointStep
from datajob.operators.inference._endpoints.target import EndpointTask
from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError, Settings
from datajob.operators.inference._model import rows_of
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS_PER_REQUEST = 32


class Embed(EndpointStep):
    """Compute an embedding of each text, a vector of length one, for search and clustering.

    With `service` or `endpoint`, a server computes the embeddings, for `batchRows` texts per request (32 by default).

    Example:

        - embed: {model: intfloat/multilingual-e5-small, column: text, prefix: "query: "}
    """

    task: ClassVar[EndpointTask] = "embed"

    column: Column = Field(description="Text column.")
    output: NewColumn = Field(default="embedding", description="Column (list of float32) for the embedding.")
    pooling: Literal["mean", "first", "last"] = Field(
        default="mean", description="How to combine the hidden states of the tokens: their mean, the first, or the last."
    )
    prefix: str = Field(default="", description="Prefix for each text, such as `query: `, if the model expects one.")
    max_length: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Maximum number of tokens; longer texts are truncated."
    )

    @model_validator(mode="after")
    def _countable(self) -> Embed:
        if self.remote() and self.tokens_column and self.texts_per_request() > 1:
            raise ValueError("`tokensColumn` needs `batchRows: 1` with `service` or `endpoint`, which count tokens by request")
        return self

    def _sent(self) -> frozenset[str]:
        return frozenset({"batch_rows"})

    def texts_per_request(self) -> int:
        """The parameter `batchRows`."""
        return self.batch_rows or TEXTS_PER_REQUEST

    def settings(self) -> Settings:
        """The model to load."""
        return Settings(
            "embed", self.model, self.revision, self.engine, self.dtype, self.attention, self.quantization,
            self.batch_tokens, self.batch_rows, pooling=self.pooling, max_length=self.max_length,
        )  # fmt: skip

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """The text of each row."""
        texts = (row[self.column] for row in rows_of(batch, (self.column,)))
        options = Options(chat=False)
        return [RequestError("the row has no text") if t is None else Request(self.prefix + t, options) for t in texts]

    def output_columns(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """The embeddings."""
        import pyarrow as pa

        return {self.output: pa.array([a.vector for a in answers], pa.list_(pa.float32()))}
