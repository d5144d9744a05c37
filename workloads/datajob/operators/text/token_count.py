"""tokenCount: keep rows by their number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.strings.tokenizers import TokenizerPath
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class TokenCount(TextMeasure):
    """Keep rows by their number of tokens for a language model.

    Special tokens are not counted. Requires the package `tokenizers`.

    Example:

        - tokenCount: {tokenizer: s3://models/tokenizer.json, max: 8192, output: tokens}
    """

    infallible: ClassVar[bool] = False

    tokenizer: TokenizerPath = Field(description="Path or URL of a `tokenizer.json` or of its folder.")
    min: int = Field(default=1, ge=0, description="Minimum number of tokens.")
    max: int = Field(default=1_000_000, ge=0, description="Maximum number of tokens.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The number of tokens of each row."""
        import numpy as np

        from datajob.operators.strings.column import text_array
        from datajob.operators.strings.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(self.tokenizer, self.key)
        texts = text_array(batch, self.column).fill_null("").to_pylist()
        return np.array([len(found) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)], dtype=np.int64)
