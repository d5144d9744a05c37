"""punctuationNormalize: replace typographic punctuation with ASCII."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

QUOTES = {**dict.fromkeys("“”„‟«»〝〞〟＂❝❞", '"'), **dict.fromkeys("‘’‚‛‹›＇❛❜`´", "'")}
DASHES = {**dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"), "…": "...", "‥": ".."}
FULL_WIDTH = {
    **{chr(ord(c) + 0xFEE0): c for c in "!#$%&()*+,./:;<=>?@[]^_{|}~"},
    **dict(zip("。、「」『』【】《》〈〉〔〕・｡､｢｣", '.,""""[]<><>[]·.,""', strict=True)),
}


class PunctuationNormalize(Map):
    """Replace curly quotation marks, dashes, ellipses and optionally Chinese and Japanese punctuation with ASCII characters.

    Example:

        - punctuationNormalize: {dashes: false}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    quotes: bool = Field(default=True, description="Replace quotation marks and apostrophes.")
    dashes: bool = Field(default=True, description="Replace dashes, hyphens, minus signs and ellipses.")
    full_width: bool = Field(default=False, description="Replace Chinese and Japanese punctuation and full-width forms.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the normalized column."""
        import numpy as np

        from datajob.operators.kernels.rewrite import translate
        from datajob.operators.strings.column import replaced, text_from, text_of

        text = text_of(batch, self.column)
        out = np.empty(3 * int(text.offsets[-1] - text.offsets[0]) + 1, np.uint8)
        ends = np.empty(len(batch) + 1, np.int64)
        translate(text, *_table(self.quotes, self.dashes, self.full_width), out, ends)
        return replaced(batch, self.column, text_from(out[: ends[-1]].copy(), ends, batch.array(self.column)))


@cache
def _table(quotes: bool, dashes: bool, full_width: bool) -> tuple[Any, Any, Any]:
    import numpy as np

    chosen: dict[str, str] = {}
    for marks, wanted in ((QUOTES, quotes), (DASHES, dashes), (FULL_WIDTH, full_width)):
        chosen |= marks if wanted else {}
    numbers = np.zeros(0x110000, np.uint16)
    for number, character in enumerate(chosen, start=1):
        numbers[ord(character)] = number
    encoded = [mark.encode() for mark in chosen.values()]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    data = np.frombuffer(b"".join(encoded), np.uint8)
    for array in (numbers, offsets, data):
        array.flags.writeable = False
    return numbers, data, offsets
