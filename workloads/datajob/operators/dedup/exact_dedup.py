"""exactDedup: reject rows with equal content."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from datajob.operators import base
from datajob.operators.columns import require
from datajob.operators.dedup._against import Against, corpus_reader
from datajob.parameters import Column, Columns

if TYPE_CHECKING:
    import pyarrow as pa

Normalize = Literal["none", "whitespace", "casefold", "letters"]


class ExactDedup(base.Deduplicate):
    """Reject rows whose content equals that of another row, compared by 128-bit hashes.

    A row that is null in all compared columns is always kept.

    Example:

        - exactDedup: {columns: [text], normalize: letters, keep: longest}
    """

    columns: Columns = Field(default=("text",), description="Columns to compare, of any type; texts are normalized first.")
    normalize: Normalize = Field(
        default="none",
        description="Differences to ignore when comparing texts. `whitespace`: differences in whitespace. `casefold`: also "
        "case. `letters`: everything but letters, accents and digits, after Unicode normalization (NFKC) and regardless of "
        "case.",
    )
    keep: Literal["first", "longest", "best"] = Field(
        default="first",
        description="Which of the equal rows to keep. `first`: the first in the input. `longest`: the one with the most bytes "
        "in the compared columns before normalization. `best`: the one with the highest value of `by`. Ties keep the first.",
    )
    by: Column | None = Field(
        default=None, description="Column for `keep: best`, such as a quality score; null is the lowest value."
    )

    against: Against = None

    @model_validator(mode="after")
    def _by_with_best(self) -> Self:
        if (self.keep == "best") != (self.by is not None):
            raise ValueError("`by` is required for `keep: best` and not allowed otherwise")
        return self

    def side_sources(self) -> tuple[Any, ...]:
        """The existing corpus."""
        return corpus_reader(self.against, self.inputs())

    def signatures(self, batch: base.Batch) -> pa.Table:
        """The hash and the score of each row that is not null in all columns."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.hashing.duplicates import hash_signatures
        from datajob.operators.hashing.rows import hash_rows

        require(self.inputs(), batch.table.column_names, "`exactDedup`")
        compared = {name: batch.array(name) for name in dict.fromkeys(self.columns)}
        null = np.logical_and.reduce([np.asarray(array.is_null()) for array in compared.values()])
        table = pa.table({name: self._normalized(array) for name, array in compared.items()})
        return hash_signatures(hash_rows(table), np.flatnonzero(~null), self._score(batch, compared))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """All rows but the one to keep of each hash; rows of the existing corpus are kept first."""
        from datajob.operators.hashing.duplicates import drop_equal

        return drop_equal(signatures)

    def _normalized(self, array: Any) -> Any:
        import pyarrow as pa

        from datajob.operators.dedup._normalize import normalized

        is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type)
        return normalized(array, self.normalize) if is_text and self.normalize != "none" else array

    def _score(self, batch: base.Batch, compared: dict[str, Any]) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.keep == "first":
            return None
        if self.by is not None:
            return batch.array(self.by)
        sizes = [pc.binary_length(array).cast(pa.int64()).fill_null(0) for array in compared.values() if _has_bytes(array.type)]
        return reduce(pc.add, sizes) if sizes else None


def _has_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    t = pa.types
    return any(is_kind(kind) for is_kind in (t.is_string, t.is_large_string, t.is_binary, t.is_large_binary))
