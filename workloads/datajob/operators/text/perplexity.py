"""perplexity: keep rows by their perplexity under a language model."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.errors import InputError
from datajob.operators.strings.tokenizers import TokenizerPath
from datajob.operators.text._measure import TextMeasure
from datajob.parameters import FilePath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class Perplexity(TextMeasure):
    """Keep rows by their perplexity under a KenLM n-gram model: low for prose like the training data, high for gibberish.

    Lines are scored as sentences, as in CCNet. A text without words has perplexity 0. Requires the package `kenlm`, and
    `tokenizers` if `tokenizer` is set.

    Example:

        - perplexity: {model: s3://models/en.arpa.bin, max: 1000, output: perplexity}
    """

    infallible: ClassVar[bool] = False

    model: FilePath = Field(description="Path or URL of the KenLM model (.arpa or .bin).")
    tokenizer: TokenizerPath | None = Field(
        default=None,
        description="Path or URL of a `tokenizer.json` for the words of the model; by default whitespace separates them.",
    )
    lowercase: bool = Field(default=False, description="Convert the text to lower case before scoring.")
    max: float = Field(default=1500, ge=0, description="Maximum perplexity; the default is that of Data-Juicer.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The perplexity of each row."""
        import numpy as np

        from datajob.operators.files import version_of
        from datajob.operators.strings.column import text_array

        model = _load(self.model, self.key, version_of(self.model))
        texts: list[Any] = text_array(batch, self.column).fill_null("").to_pylist()
        return np.array([self._score(model, text.lower() if self.lowercase else text) for text in texts], dtype=np.float64)

    def _score(self, model: Any, text: str) -> float:
        log10 = words = 0.0
        for line in text.splitlines():
            pieces = self._pieces(line)
            if pieces:
                log10 += model.score(" ".join(pieces))
                words += len(pieces) + 1  # the end of the sentence is also scored
        return float(10.0 ** min(-log10 / words, 300.0)) if words else 0.0

    def _pieces(self, line: str) -> list[str]:
        if self.tokenizer is None:
            return line.split()
        from datajob.operators.strings.tokenizers import load_tokenizer

        return list(load_tokenizer(self.tokenizer, self.key).encode(line, add_special_tokens=False).tokens)


@cache
def _load(path: str, operator: str, version: Any) -> Any:
    from datajob.operators.files import local_copy
    from datajob.operators.packages import optional

    kenlm = optional("kenlm", "kenlm", operator)
    try:
        return kenlm.Model(local_copy(path))
    except OSError as error:
        raise InputError(f"`{operator}`: `{path}` cannot be read as a KenLM model: {error}.") from error
