"""Repair of broken Unicode and normal forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from workloads.operators.base import Map
from workloads.operators.text._text import map_rows, replaced, text_array
from workloads.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from workloads.operators.base import Batch


class UnicodeNormalize(Map):
    """Repairs text that was decoded wrongly (ftfy) and brings it to a Unicode normal form.

    `cafÃ©` becomes `café`, HTML entities outside of HTML, control characters and terminal escapes go, newlines become
    `\\n`, ligatures and full-width forms become plain letters unless `keepWidths`. Plain ASCII rows are looked at by a
    compiled scan only.

    Example:

        - unicodeNormalize: {form: NFKC}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    repair: bool = Field(default=True, description="Repair with ftfy before normalising.")
    form: Literal["NFC", "NFKC", "NFD", "NFKD", "none"] = Field(default="NFC", description="Unicode normal form of the result.")
    uncurl_quotes: bool = Field(default=False, description="Make curly quotation marks straight.")
    keep_widths: bool = Field(default=False, description="Keep ligatures and full-width and half-width forms as they are.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column normalised."""
        text = text_array(batch, self.column)
        return replaced(batch, self.column, map_rows(text, self._normalizer(), self._may_change(text)))

    def _normalizer(self) -> Callable[[str], str]:
        from unicodedata import normalize

        form = self.form
        if not self.repair:
            return lambda text: text if form == "none" else normalize(form, text)
        import ftfy

        config = ftfy.TextFixerConfig(
            normalization=None if form == "none" else form,
            uncurl_quotes=self.uncurl_quotes,
            fix_latin_ligatures=not self.keep_widths,
            fix_character_width=not self.keep_widths,
            explain=False,
        )
        return lambda text: ftfy.fix_text(text, config)

    def _may_change(self, text: pa.Array[Any]) -> pa.Array[Any]:
        """ASCII rows without control characters or entities are normal already."""
        import pyarrow.compute as pc

        pattern = r"[^\t\n -~]|&" if self.repair else r"[^\x00-\x7f]"
        return pc.match_substring_regex(text, pattern)
