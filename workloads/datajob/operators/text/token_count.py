"""The number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.strings.tokenizers import TokenizerPath
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class TokenCount(TextMeasure):
    """Keeps texts by their number of tokens for a language model.

    Needs the package `tokenizers`. Special tokens are not counted.

    Example:

        - tokenCount: {tokenizer: s3://models/tokenizer.json, max: 8192, output: tokens}
    """

    infallible: ClassVar[bool] = False

    tokenizer: TokenizerPath = Field(description="A `tokenizer.json` or the folder that holds it; local or any fsspec URL.")
    min: int = Field(default=1, ge=0, description="Fewest tokens kept.")
    max: int = Field(default=1_000_000, ge=0, description="Most tokens kept.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The number of tokens of each row."""
        import numpy as np

        from datajob.operators.strings.column import text_array
        from datajob.operators.strings.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(self.tokenizer, self.key)
        texts = text_array(batch, self.column).fill_null("").to_pylist()
        return np.array([len(found) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)], dtype=np.int64)
