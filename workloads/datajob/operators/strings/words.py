"""The words of a text column, found once per batch and shared by all operators that need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from datajob.operators.kernels.arrays import Words
from datajob.operators.strings.column import Invalid, buffers_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

Tokenizer = Annotated[
    Literal["unicode", "whitespace"],
    Field(
        description="How to split text into words. `unicode` uses the word boundaries of Unicode (UAX #29), which suit every "
        "script: each punctuation mark and each Chinese character is a word. `whitespace` splits at whitespace."
    ),
]


def words_of(batch: Batch, column: str, tokenizer: str, invalid: Invalid = "fail") -> Words:
    """The words of the column; rows that are not alive have none."""

    def build() -> Words:
        import numpy as np

        from datajob.operators.kernels.unicode import classes
        from datajob.operators.kernels.words import split_unicode, split_whitespace

        text = text_of(batch, column, invalid)
        rows, size = len(batch), int(text.offsets[-1] - text.offsets[0])
        most = size if tokenizer == "unicode" else (size + rows) // 2 + 1
        words = Words(
            np.empty(rows + 1, np.int64),
            np.empty(most, np.int32),
            np.empty(most, np.int32),
            np.empty(most, np.int32),
            np.empty(most, np.uint8),
            np.empty(most, np.uint64),
            np.empty(rows + 1, np.int64),
            np.empty(size, np.int32),
            np.zeros((rows, 3), np.int64),
        )
        split = split_unicode if tokenizer == "unicode" else split_whitespace
        found, lines = split(text, classes(), words)
        return _cut(words, found, lines)

    return batch.derive(("words", column, tokenizer, invalid), build)


def _cut(words: Words, found: int, lines: int) -> Words:
    cut = words._replace(
        starts=words.starts[:found],
        sizes=words.sizes[:found],
        points=words.points[:found],
        flags=words.flags[:found],
        hashes=words.hashes[:found],
        breaks=words.breaks[:lines],
    )
    for array in cut:
        array.flags.writeable = False
    return cut


def hashes_of(words: Sequence[str]) -> NDArray[np.uint64]:
    """The hashes of these words, as in `Words.hashes`; read-only."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.kernels.words import hash_rows

    hashes = np.empty(len(words), np.uint64)
    hash_rows(*buffers_of(pa.array(words, pa.large_string())), hashes)
    hashes.flags.writeable = False
    return hashes


def sums(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of `values[rows[i]:rows[i + 1]]` for each i."""
    import numpy as np

    totals = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=totals[1:])
    return totals[rows[1:]] - totals[rows[:-1]]
