"""Conversion between kinds of Chinese."""

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
    """Converts Chinese between simplified and traditional characters and their regional uses (OpenCC).

    `t2s` makes traditional characters simplified, `s2twp` also uses the words of Taiwan. Only rows with Chinese
    characters are looked at. Needs the package `opencc`.

    Example:

        - chineseConvert: {variant: t2s}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    variant: Variant = Field(default="t2s", description="From and to: s simplified, t traditional, tw, hk, jp; p with words.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column converted."""
        import pyarrow.compute as pc

        from datajob.operators.packages import optional
        from datajob.operators.strings.column import map_rows, replaced, text_array

        text = text_array(batch, self.column)
        converter: Any = optional("opencc", "opencc", self.key).OpenCC(self.variant)
        has_chinese: Any = pc.match_substring_regex
        return replaced(batch, self.column, map_rows(text, converter.convert, has_chinese(text, r"\p{Han}")))
