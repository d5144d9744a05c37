"""Redaction of personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.text._patterns import Pattern

Kind = Literal["email", "ip", "phone", "card", "nationalId", "url"]


class PiiRedact(Map):
    """Redacts e-mail addresses, public IP addresses, phone, card and national identity numbers.

    A compiled scan finds the few places where one may be; patterns and checks (Luhn for cards, the check characters of
    Chinese and Spanish numbers, reachability of addresses) decide there. Identity numbers: China, Spain, United States.

    Example:

        - piiRedact: {kinds: [email, phone, card], mode: mask}
    """

    column: Column = Field(default="text", description="The text; null stays null.")
    kinds: tuple[Kind, ...] = Field(
        default=("email", "ip", "phone", "card", "nationalId"), min_length=1, max_length=6, description="What is redacted."
    )
    mode: Literal["replace", "mask", "hash"] = Field(
        default="replace",
        description="`replace`: by `<EMAIL>` and the like, or `replacement`; `mask`: letters and digits by `*`; `hash`: by the "
        "kind and 16 hexadecimal digits of a keyed hash, the same for the same value.",
    )
    replacement: str | None = Field(default=None, description="With `replace`: what takes the place of every match.")
    hash_key: str = Field(
        default="", max_length=64, description="With `hash`: a secret without which values cannot be guessed."
    )
    output: NewColumn | None = Field(default=None, description="Column (int32) that gets the number of redactions.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the column redacted."""
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
