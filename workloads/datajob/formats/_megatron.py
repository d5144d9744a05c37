"""The files of Megatron-LM.

Layout of `.idx`, in little-endian order: the nine bytes `MMIDIDX\\0\\0`, version 1 (uint64), the type of the tokens (uint8:
4 is int32, 8 is uint16), the number of sequences (uint64), the number of document bounds (uint64), the length of each sequence
in tokens (int32), its offset in `.bin` in bytes (int64), and the document bounds (int64), which are 0, 1, 2, ... because each
document is one sequence. Source: `_IndexWriter` in megatron/core/datasets/indexed_dataset.py (Megatron Core 0.16).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from datajob.errors import SinkError
from datajob.formats._parquet_write import ParquetEncoder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

HEADER = b"MMIDIDX\x00\x00"
CODES = {"<i4": 4, "<u2": 8}
META_ROW_GROUP = 16 << 20


class MegatronEncoder:
    """The tokens of one file. Its companions are the index and, if there are other columns, a table of these."""

    held = 0

    def __init__(self, stream: pa.NativeFile, schema: pa.Schema, column: str, vocabulary_size: int, dtype: str) -> None:
        self._stream, self._schema = stream, schema.remove(schema.get_field_index(column))
        self._column, self._vocabulary_size, self._dtype = column, vocabulary_size, dtype
        self._sizes: list[NDArray[np.int32]] = []
        self._rows = 0
        self._index: Any = None
        self._meta: ParquetEncoder | None = None

    def accompany(self, streams: list[Any]) -> None:
        """The streams of the index and, if there is one, of the table."""
        self._index = streams[0]
        if len(streams) > 1:
            self._meta = ParquetEncoder(streams[1], self._schema, "zstd", None, META_ROW_GROUP)

    def write(self, table: pa.Table) -> None:
        """Append documents. Raises SinkError for a row that is not a document of the vocabulary."""
        import numpy as np
        import pyarrow.compute as pc

        for lists in table.column(self._column).chunks:
            sizes = np.asarray(pc.list_value_length(lists).fill_null(0), np.int64)
            values = lists.flatten()
            self._check(lists, sizes, values)
            self._stream.write(np.ascontiguousarray(np.asarray(values), self._dtype))
            self._sizes.append(sizes.astype("<i4"))
            self._rows += len(sizes)
        if self._meta:
            self._meta.write(table.select(self._schema.names))
            self.held = self._meta.held

    def _check(self, lists: Any, sizes: NDArray[np.int64], values: Any) -> None:
        import numpy as np

        def refuse(row: int, why: str) -> None:
            raise SinkError(f"sink.megatron: document {self._rows + row} of a file in `{self._column}` {why}")

        if (sizes == 0).any():
            fix = f"Remove such rows with `filter: length({self._column}) > 0`"
            refuse(int(np.argmin(sizes != 0)), f"has no tokens. {fix}")
        row_of = np.cumsum(sizes)
        if values.null_count:
            refuse(int(np.searchsorted(row_of, int(np.argmin(np.asarray(values.is_valid()))), "right")), "contains null")
        tokens = np.asarray(values)
        if len(tokens) and (tokens.min() < 0 or tokens.max() >= self._vocabulary_size):
            at = int(np.argmax((tokens < 0) | (tokens >= self._vocabulary_size)))
            limit = f"the ids of a vocabulary of {self._vocabulary_size} tokens (`vocabularySize`) are smaller"
            refuse(int(np.searchsorted(row_of, at, "right")), f"contains the token {tokens[at]}, but {limit}")

    def flush(self) -> None:
        """Write the buffered rows of the table."""
        if self._meta:
            self._meta.flush()
            self.held = self._meta.held

    def finish(self) -> None:
        """Write the index, and the end of the table."""
        import numpy as np

        sizes = np.concatenate([np.zeros(0, "<i4"), *self._sizes])
        width = np.dtype(self._dtype).itemsize
        begins = (np.cumsum(sizes, dtype="<i8") - sizes) * width
        self._index.write(HEADER + struct.pack("<QBQQ", 1, CODES[self._dtype], len(sizes), len(sizes) + 1))
        for array in (sizes, begins.astype("<i8"), np.arange(len(sizes) + 1, dtype="<i8")):
            self._index.write(np.ascontiguousarray(array))
        if self._meta:
            self._meta.finish()
