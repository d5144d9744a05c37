"""The number of tokens and the source of each row."""

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


def source_names(array: pa.Array, column: str) -> pa.Array:
    """The sources as text. Raises InvalidJob for types other than text, integers and booleans."""
    import pyarrow as pa
    import pyarrow.types as t

    kind = array.type.value_type if t.is_dictionary(array.type) else array.type
    plain = (t.is_string, t.is_large_string, t.is_string_view, t.is_integer, t.is_boolean, t.is_null)
    if not any(test(kind) for test in plain):
        raise InvalidJob(f"column `{column}` contains {array.type}, but sources are text, integers or booleans.")
    return array.cast(pa.string())
