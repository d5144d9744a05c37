"""filter: keep rows for which an SQL expression is true."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators import base
from datajob.operators.table._expression import SqlExpression, columns_of


class Filter(base.Filter):
    """Keep rows for which an SQL expression is true; false and null reject the row.

    Example:

        - filter: {where: "length(text) > 50 AND lang IN ('en', 'de')"}
    """

    where: SqlExpression = Field(description="SQL expression that is true for the rows to keep, such as `length(text) > 50`.")

    def inputs(self) -> base.Order:
        """The columns that the expression reads."""
        return columns_of((self.where,))

    def keep(self, batch: base.Batch) -> base.Verdict:
        """Reject rows for which the expression is not true; the reason is `where`."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.table._sql import evaluate

        answer: Any = evaluate(batch.table, (self.where,))[0]
        if pa.types.is_null(answer.type):
            return base.Verdict(np.ones(len(batch), np.uint8), ("where",))
        if not pa.types.is_boolean(answer.type):
            raise InvalidJob(
                f"`where: {self.where}` returns a value of type {answer.type}, not true or false; write a comparison."
            )
        kept = np.asarray(answer.fill_null(False))
        return base.Verdict((~kept).astype(np.uint8), ("where",))
