"""distinct: keep one row of each set of equal rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators import base
from datajob.operators.columns import require
from datajob.parameters import Columns

if TYPE_CHECKING:
    import pyarrow as pa


class Distinct(base.Deduplicate):
    """Keep the first of all rows that are equal in the given columns; null equals null.

    Example:

        - distinct: {columns: [url]}
    """

    columns: Columns | None = Field(default=None, description="Columns to compare; all columns by default.")

    def signatures(self, batch: base.Batch) -> pa.Table:
        """The hash of each row."""
        from datajob.operators.hashing.duplicates import hash_signatures
        from datajob.operators.hashing.rows import hash_rows

        require(self.columns or (), batch.table.column_names, "`distinct`")
        return hash_signatures(hash_rows(batch.table, self.columns))

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """All rows but the first of each hash."""
        from datajob.operators.hashing.duplicates import drop_equal

        return drop_equal(signatures)
