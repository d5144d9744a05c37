"""chineseConvert: convert between variants of Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

Variant = Literal[
    "s2t", "t2s", "s2tw", "tw2s", "s2hk", "hk2s", "s2twp", "tw2sp", "t2tw", "hk2t", "t2hk", "t2jp", "jp2t", "tw2t"
]


class ChineseConvert(Map):
    """Convert Chinese text between simplified, traditional and regional variants (OpenCC).

    For example, `t2s` converts traditional to simplified characters, and `s2twp` converts to the characters and vocabulary
    of Taiwan. Rows without Chinese characters are not changed. Requires the package `opencc`.

    Example:

        - chineseConvert: {variant: t2s}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    variant: Variant = Field(
        default="t2s",
        description="Source and target variant: s(implified), t(raditional), tw, hk or jp; p for vocabulary.",
    )

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the converted column."""
        import pyarrow.compute as pc

        from datajob.operators.packages import optional
        from datajob.operators.strings.column import map_rows, replaced, text_array

        text = text_array(batch, self.column)
        converter: Any = optional("opencc", "opencc", self.key).OpenCC(self.variant)
        has_chinese: Any = pc.match_substring_regex
        return replaced(batch, self.column, map_rows(text, converter.convert, has_chinese(text, r"\p{Han}")))
