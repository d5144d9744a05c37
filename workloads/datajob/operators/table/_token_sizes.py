"""The number of tokens of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def token_sizes(array: pa.Array, column: str) -> NDArray[np.int64]:
    """The lengths of lists, or the integers themselves; 0 for nulls. Raises InvalidJob for other types."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind = array.type
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return np.asarray(pc.list_value_length(array).fill_null(0), np.int64)
    if t.is_integer(kind) and kind != pa.uint64():
        return np.asarray(array.fill_null(0), np.int64)
    if t.is_null(kind):
        return np.zeros(len(array), np.int64)
    raise InvalidJob(f"column `{column}` contains {kind}, but tokens are lists of token IDs, or integers that count tokens.")
