"""piiRedact: redact personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.text._patterns import Pattern

Kind = Literal["email", "ip", "phone", "iban", "card", "nationalId", "url"]


class PiiRedact(Map):
    """Redact email addresses, public IP addresses, phone and card numbers, IBANs and national identity numbers.

    A compiled scan finds candidates; patterns and checks then decide (the Luhn checksum of cards, the check digits
    of IBANs, the check characters of Chinese and Spanish identity numbers, public address ranges). A match is always a whole
    token. Identity numbers of China, Spain (DNI and NIE) and the United States are supported.

    Example:

        - piiRedact: {kinds: [email, phone, card], mode: mask}
    """

    column: Column = Field(default="text", description="Text column; null stays null.")
    kinds: tuple[Kind, ...] = Field(
        default=("email", "ip", "phone", "iban", "card", "nationalId"),
        min_length=1,
        max_length=7,
        description="Kinds of personal data to redact.",
    )
    mode: Literal["replace", "mask", "hash"] = Field(
        default="replace",
        description="How to redact a match. `replace` inserts `replacement`, or the kind such as `<EMAIL>`. `mask` replaces "
        "letters and digits with `*`. `hash` inserts the kind and 16 hexadecimal digits of a keyed hash; equal values have "
        "equal hashes.",
    )
    replacement: str | None = Field(default=None, description="Replacement for `mode: replace`; by default the kind.")
    hash_key: str = Field(
        default="", max_length=74, description="Secret key for `mode: hash`, which prevents values from being guessed."
    )
    output: NewColumn | None = Field(default=None, description="Column (int32) for the number of redactions.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the redacted column."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.strings.column import with_column
        from datajob.operators.text._patterns import PATTERNS
        from datajob.operators.text._spans import replace_spans, spans_of

        spans = spans_of(batch, self.column, [PATTERNS[kind] for kind in self.kinds])
        table = replace_spans(batch, self.column, spans, self._redacted)
        if self.output is None:
            return table
        return with_column(table, self.output, pa.array(np.diff(spans.rows).astype(np.int32)))

    def _redacted(self, pattern: Pattern, match: str) -> str:
        from datajob.suggest import snake

        label = snake(pattern.name).upper()
        if self.mode == "mask":
            return "".join("*" if c.isalnum() else c for c in match)
        if self.mode == "hash":
            from hashlib import blake2b

            digest = blake2b(match.encode(), digest_size=8, key=self.hash_key.encode()).hexdigest()
            return f"<{label}:{digest}>"
        return f"<{label}>" if self.replacement is None else self.replacement
