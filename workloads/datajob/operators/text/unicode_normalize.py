"""unicodeNormalize: repair and normalize Unicode text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.text._repair import Fixer


class UnicodeNormalize(Map):
    """Repair wrongly decoded text (ftfy) and convert it to a Unicode normal form.

    For example, `cafÃ©` becomes `café`. HTML entities outside HTML are decoded, control characters and terminal escapes
    are removed, and line breaks become `\\n`. Ligatures and full-width forms become plain letters unless `keepWidths` is
    set. A compiled scan handles most lines; only the others are passed to ftfy.

    Example:

        - unicodeNormalize: {form: NFKC}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    repair: bool = Field(default=True, description="Repair the text before normalization.")
    form: Literal["NFC", "NFKC", "NFD", "NFKD", "none"] = Field(default="NFC", description="Unicode normal form.")
    uncurl_quotes: bool = Field(default=False, description="Replace curly quotation marks with straight ones.")
    keep_widths: bool = Field(default=False, description="Keep ligatures and full-width and half-width forms.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the normalized column."""
        from datajob.operators.strings.column import replaced, text_array, text_from, text_of
        from datajob.operators.text._normal_forms import rules
        from datajob.operators.text._repair import repaired

        if not self.repair and self.form == "none":
            return batch.table
        tables, start = rules(self.repair, self.form, self.uncurl_quotes, self.keep_widths)
        new = repaired(text_of(batch, self.column), tables, start, self._most(), self._fixer())
        text = text_array(batch, self.column)
        return replaced(batch, self.column, text if new is None else text_from(*new, text))

    def _most(self) -> int:
        """The maximum number of characters of a line that ftfy handles at once; normal forms never span lines."""
        if not self.repair:
            return sys.maxsize
        import ftfy

        return int(ftfy.TextFixerConfig().max_decode_length)

    def _fixer(self) -> Fixer:
        """The function that repairs the lines that the scan cannot: takes the text and whether to decode HTML entities."""
        from unicodedata import normalize

        form = self.form
        if not self.repair:
            return lambda text, decodes: text if form == "none" else normalize(form, text)
        import ftfy

        config = ftfy.TextFixerConfig(
            normalization=None if form == "none" else form,
            uncurl_quotes=self.uncurl_quotes,
            fix_latin_ligatures=not self.keep_widths,
            fix_character_width=not self.keep_widths,
            explain=False,
        )
        return lambda text, decodes: ftfy.fix_text(text, config if decodes else config._replace(unescape_html=False))
