"""Normalization of texts before they are compared."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def normalized(array: Any, level: str) -> Any:
    """The texts without the differences that `level` ignores (see `ExactDedup.normalize`); nulls stay null."""
    if level == "whitespace":
        return _squeezed(array, _whitespace(), blank=True)
    if level == "casefold":
        return _squeezed(_changed(array, str.casefold), _whitespace(), blank=True)
    return _squeezed(_changed(array, lambda text: unicodedata.normalize("NFKC", text).casefold()), _signs(), blank=False)


def _changed(array: Any, change: Callable[[str], str]) -> Any:
    import pyarrow as pa

    return pa.array([None if text is None else change(text) for text in array.to_pylist()], pa.large_string())


def _squeezed(array: Any, table: NDArray[np.uint16], blank: bool) -> Any:
    """The texts without the characters that `table` marks; with `blank`, a run of them between others becomes a space."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.kernels.squeeze import squeeze
    from datajob.operators.strings.column import buffers_of, text_from

    texts = array.cast(pa.large_string())
    data, offsets = buffers_of(texts)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(offsets), np.int64)
    squeeze(data, offsets, table, blank, out, out_offsets)
    return text_from(out, out_offsets, texts)


@cache
def _whitespace() -> NDArray[np.uint16]:
    """Marks the characters that `str.split` splits at."""
    import numpy as np

    from datajob.operators.kernels.unicode import SPACE, classes

    return _read_only(classes() & np.uint16(SPACE))


@cache
def _signs() -> NDArray[np.uint16]:
    """Marks punctuation, symbols, separators and control characters, but not accents and vowel signs."""
    import numpy as np

    kinds = [unicodedata.category(chr(point)) for point in range(sys.maxunicode + 1)]
    return _read_only(np.array([kind[0] in "PSZ" or kind in ("Cc", "Cf") for kind in kinds], np.uint16))


def _read_only(table: NDArray[np.uint16]) -> NDArray[np.uint16]:
    table.flags.writeable = False
    return table
