"""The indexed data sets of Megatron-LM: token ids in `.bin`, their bounds in `.idx`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.formats._columns import did_you_mean
from datajob.formats.base import ShardWriter, Writer
from datajob.parameters import Column, TokenColumns

if TYPE_CHECKING:
    import pyarrow as pa

BIN, IDX, META = ".bin", ".idx", ".meta.parquet"
UINT16_VOCABULARY = 65_500
"""Megatron stores smaller vocabularies as uint16 (`DType.optimal_dtype` in megatron/core/datasets/indexed_dataset.py)."""


class MegatronWriter(Writer):
    """Write data sets of Megatron-LM (Megatron Core, Megatron Bridge, NeMo, MindSpore Transformers): one document per row.

    Each output file is a pair: `NAME.bin` with the token ids, and `NAME.idx` with the position of each document. `NAME`
    without an extension is the prefix to give to Megatron, for example in `--data-path`. The files are equal, byte for byte,
    to those of Megatron's own tool. Tokens are stored as uint16 if `vocabularySize` is less than 65,500, otherwise as int32.
    The other columns form the table `NAME.meta.parquet`, whose rows are the documents in order; use it to find the source of
    a document. Documents must have at least one token: remove others with `filter: length(input_ids) > 0`.
    """

    extension = (BIN, IDX, META)
    column: Column = Field(default="input_ids", description="Column of token lists, such as that of `tokenize`.")
    source: Column | None = Field(
        default=None, description="Column with the source of a document; the report then contains the tokens of each source."
    )
    vocabulary_size: int = Field(ge=1, le=2**31 - 1, description="Size of the vocabulary of the tokenizer; ids are smaller.")
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )

    def counted_tokens(self) -> TokenColumns:
        """The tokens that are written."""
        return TokenColumns(self.column, self.source)

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.bin`, with their indexes and tables. Raises InvalidJob if the column has no token lists."""
        import pyarrow as pa

        from datajob.formats._megatron import MegatronEncoder
        from datajob.formats._parquet_types import check_storable
        from datajob.formats._shards import FilesWriter

        for name in filter(None, (self.column, self.source)):
            if name not in schema.names:
                raise InvalidJob(f"sink.megatron: the result has no column {name}{did_you_mean(name, schema.names)}.")
        kind: Any = schema.field(self.column).type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_integer(kind.value_type):
            raise InvalidJob(f"sink.megatron: column {self.column} is {kind}; it must contain lists of token ids.")
        dtype = "<u2" if self.vocabulary_size < UINT16_VOCABULARY else "<i4"
        others = set(schema.names) - {self.column, *(self.partition_by or ())}
        check_storable(pa.schema([field for field in schema if field.name in others]))

        def encoder(stream: Any, columns: pa.Schema, stem: str) -> MegatronEncoder:
            return MegatronEncoder(stream, columns, self.column, self.vocabulary_size, dtype)

        extensions = (BIN, IDX, META) if others else (BIN, IDX)
        return FilesWriter(root, prefix, extensions, schema, encoder, self.file_bytes, self.partition_by)
