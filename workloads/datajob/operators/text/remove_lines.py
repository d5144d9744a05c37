"""removeLines: remove lines by the line rules of C4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.operators.text._line_rules import POLICY_PHRASES, LineRules
from datajob.operators.text.c4_quality import C4Quality

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class RemoveLines(LineRules, Map):
    """Remove lines by the line rules of C4, without rejecting documents.

    The remaining lines are stripped and joined by newlines. `c4Quality` also rejects documents.

    Example:

        - removeLines: {minWordsPerLine: 5}
    """

    phrases: tuple[str, ...] = Field(
        default=("javascript", *POLICY_PHRASES),
        max_length=1000,
        description="Remove lines that contain one of these phrases; ASCII letters match regardless of case.",
    )

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the remaining lines of the column."""
        from datajob.operators.strings.column import replaced

        rule = C4Quality(
            **self.model_dump(by_alias=False, exclude={"phrases"}),
            policy_phrases=self.phrases,
            min_sentences=0,
            lorem_ipsum=False,
            javascript=False,
            curly_bracket=False,
        )
        return replaced(batch, self.column, rule.keep(batch).columns[self.column])
