"""chunkText: split texts into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.base import FlatMap
from datajob.operators.strings.tokenizers import TokenizerPath
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

Bounds = tuple["NDArray[Any]", "NDArray[Any]", "NDArray[Any]"]
"""Units `rows[i]:rows[i + 1]` belong to row i; the others are the first byte and the end of each unit in the column."""


class ChunkText(FlatMap):
    """Split texts into chunks of a fixed number of characters, words or tokens, one row per chunk; chunks may overlap.

    The other columns are repeated. A chunk is the unchanged text from its first to its last unit. A row without units,
    such as null or an empty text, remains one row.

    Example:

        - chunkText: {unit: words, size: 400, overlap: 40}
    """

    column: Column = Field(default="text", description="Text column; replaced by the chunk.")
    unit: Literal["characters", "words", "tokens"] = Field(default="words", description="Unit of `size` and `overlap`.")
    size: int = Field(default=512, ge=1, description="Maximum number of units per chunk.")
    overlap: int = Field(default=0, ge=0, description="Number of units that a chunk shares with the next one.")
    tokenizer: Tokenizer = "unicode"
    model_tokenizer: TokenizerPath | None = Field(
        default=None, description="For `tokens`: path or URL of a `tokenizer.json` or of its folder."
    )
    output: NewColumn | None = Field(
        default=None, description="Column (int32) for the position of the chunk in its text, starting at 0."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap >= self.size:
            raise ValueError(f"`overlap` must be less than `size`, but {self.overlap} is not less than {self.size}")
        if self.unit == "tokens" and self.model_tokenizer is None:
            raise ValueError("`unit: tokens` requires `modelTokenizer`, the path of a tokenizer.json")
        return self

    def expand(self, batch: Batch) -> pa.Table:
        """The chunks, in the order of their rows."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from datajob.operators.strings.column import pieces, text_of, with_column

        rows, starts, stops = self._units(batch)
        units, step = np.diff(rows), self.size - self.overlap
        chunks = np.where(units <= self.size, 1, -(-(units - self.overlap) // step))
        source = np.repeat(np.arange(len(batch)), chunks)
        number = np.arange(len(source)) - np.repeat(np.cumsum(chunks) - chunks, chunks)
        first = rows[source] + number * step
        last = np.minimum(first + self.size, rows[source + 1]) - 1
        empty = units[source] == 0
        text = text_of(batch, self.column)
        begin = np.where(empty, text.offsets[source], np.append(starts, 0)[np.where(empty, -1, first)])
        end = np.where(empty, text.offsets[source], np.append(stops, 0)[np.where(empty, -1, last)])
        taken, names = pa.array(source), batch.table.column_names
        valid = batch.table.column(self.column).is_valid().take(taken)
        chunk = pc.if_else(valid, pieces(text, begin, end), None)
        columns = [chunk if name == self.column else batch.table.column(name).take(taken) for name in names]
        table = pa.table(columns, names=names, metadata=batch.table.schema.metadata)
        return table if self.output is None else with_column(table, self.output, pa.array(number.astype(np.int32)))

    def _units(self, batch: Batch) -> Bounds:
        import numpy as np

        from datajob.operators.strings.column import text_array, text_of

        text = text_of(batch, self.column)
        if self.unit == "words":
            words = words_of(batch, self.column, self.tokenizer)
            starts = words.starts + np.repeat(text.offsets[:-1], np.diff(words.rows))
            return words.rows, starts, starts + words.sizes
        begins = (text.data & 0xC0) != 0x80
        starts = np.flatnonzero(begins[text.offsets[0] : text.offsets[-1]]) + text.offsets[0]
        stops = np.append(starts[1:], text.offsets[-1])
        rows = np.searchsorted(starts, text.offsets)
        if self.unit == "characters":
            return rows, starts, stops
        from datajob.operators.strings.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(str(self.model_tokenizer), self.key)
        texts = text_array(batch, self.column).fill_null("").to_pylist()
        found = [encoding.offsets for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        spans = np.array([span for offsets in found for span in offsets], dtype=np.int64).reshape(-1, 2)
        token_rows = np.concatenate([[0], np.cumsum([len(offsets) for offsets in found])]).astype(np.int64)
        base = np.repeat(rows[:-1], np.diff(token_rows))
        edges = np.append(starts, text.offsets[-1])
        return token_rows, edges[base + spans[:, 0]], edges[base + spans[:, 1]]
