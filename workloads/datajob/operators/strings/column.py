"""A column as text: its UTF-8 bytes and offsets, regardless of its Arrow type.

What is text: string, large_string, string_view, the binary types (decoded as UTF-8), dictionaries of these, and a
column of nulls only. A null is an empty text. Bytes that are not UTF-8 fail their row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field

from datajob.errors import InputError
from datajob.operators.kernels.arrays import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

    TextArray: TypeAlias = pa.Array[Any]


Character = Annotated[str, Field(min_length=1, max_length=1)]


Invalid: TypeAlias = Literal["fail", "refuse", "replace"]
"""What becomes of a value that is not UTF-8: its row fails, the job does (where rows cannot fail), or it is compared with
U+FFFD in place of the invalid bytes, as `bytes.decode(errors="replace")`."""


def text_array(batch: Batch, column: str, invalid: Invalid = "fail") -> TextArray:
    """The column as large_string, of valid UTF-8.

    Raises InputError when its type is not text, and ValueError (with `refuse`: InputError) for a value that is not UTF-8.
    """
    return batch.derive(("text array", column, invalid), lambda: _as_text(batch.array(column), column, invalid))


def text_of(batch: Batch, column: str, invalid: Invalid = "fail") -> Text:
    """The column's bytes for kernels, with the rows that are alive now; arrays are read-only."""
    data, offsets = batch.derive(("text", column, invalid), lambda: buffers_of(text_array(batch, column, invalid)))
    return Text(data, offsets, alive_of(batch))


def frozen(values: Sequence[float] | NDArray[Any], kind: str) -> NDArray[Any]:
    """Parameters as a read-only array for kernels; `kind` is a numpy type string."""
    import numpy as np

    array = np.array(values, dtype=kind)
    array.flags.writeable = False
    return array


def longest(offsets: NDArray[np.int64]) -> int:
    """The largest difference of consecutive offsets; 0 if there are none."""
    import numpy as np

    return int(np.diff(offsets).max(initial=0))


def alive_of(batch: Batch) -> NDArray[np.bool_]:
    """The rows that earlier filters kept."""
    import numpy as np

    alive = np.ones(len(batch), dtype=np.bool_) if batch.alive is None else batch.alive.copy()
    alive.flags.writeable = False
    return alive


def buffers_of(array: TextArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bytes and offsets (length n + 1) of a large_string array, read-only; nulls are empty."""
    import numpy as np

    buffers: list[Any] = array.buffers()
    _, offsets_buffer, data_buffer = buffers
    offsets = (
        np.frombuffer(offsets_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1] if len(array) else None
    )
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None and data_buffer.size else np.zeros(0, np.uint8)
    if offsets is None:
        offsets = np.zeros(1, dtype=np.int64)
    elif array.null_count and (null := array.is_null().to_numpy(zero_copy_only=False)).any():
        sizes = np.diff(offsets)
        if sizes[null].any():
            return buffers_of(array.fill_null(""))
    offsets.flags.writeable = data.flags.writeable = False
    return data, offsets


def text_from(data: NDArray[np.uint8], offsets: NDArray[np.int64], like: TextArray) -> Any:
    """An Arrow array of the bytes, null where `like` is null; large_string only if `like` is or the size requires it."""
    import pyarrow as pa

    array: Any = pa.LargeStringArray.from_buffers(len(offsets) - 1, _buffer(offsets), _buffer(data))
    if like.null_count:
        import pyarrow.compute as pc

        array = pc.if_else(like.is_valid(), array, pa.scalar(None, pa.large_string()))
    if pa.types.is_large_string(like.type) or offsets[-1] >= 2**31:
        return array
    return array.cast(pa.string())


def pieces(text: Text, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Any:
    """The pieces `text.data[starts[i]:stops[i]]` as a string array (large_string if the size requires it)."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.kernels.rewrite import gather

    starts, stops = frozen(starts, "i8"), frozen(stops, "i8")
    out, ends = np.empty(int((stops - starts).sum()), np.uint8), np.empty(len(starts) + 1, np.int64)
    gather(text.data, starts, stops, out, ends)
    return text_from(out, ends, pa.nulls(0, pa.string()))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """The table with the column added or replaced."""
    at = table.schema.get_field_index(name)
    return table.append_column(name, values) if at < 0 else table.set_column(at, name, values)


def replaced(batch: Batch, column: str, text: pa.Array[Any]) -> pa.Table:
    """The table with a new text in the column: large_string if it was before or the size requires it, otherwise string."""
    import pyarrow as pa

    large = pa.types.is_large_string(batch.table.schema.field(column).type) or text.nbytes >= 2**31
    return with_column(batch.table, column, text.cast(pa.large_string() if large else pa.string()))


def map_rows(text: TextArray, function: Callable[[str], str], where: Any) -> Any:
    """`function` of the rows where `where` is true (null counts as false), and the other rows unchanged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    where = where.fill_null(False)
    rows: list[Any] = text.filter(where).to_pylist()
    replace: Any = pc.replace_with_mask
    return replace(text, where, pa.array(map(function, rows), pa.large_string()))


def _buffer(values: Any) -> pa.Buffer:
    import pyarrow as pa

    return pa.py_buffer(values)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column of this type contains bytes."""
    import pyarrow as pa

    t = pa.types
    return any(test(kind) for test in (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary))


def _as_text(array: pa.Array[Any], column: str, invalid: Invalid) -> TextArray:
    import pyarrow as pa

    kind = array.type
    if isinstance(array, pa.DictionaryArray):
        return _as_text(array.dictionary_decode(), column, invalid)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.large_string())
    if is_bytes(kind):
        return _valid(array.cast(pa.large_binary()).view(pa.large_string()), column, invalid)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return _valid(array.cast(pa.large_string()), column, invalid)
    raise InputError(
        f"column `{column}` contains {kind}, not text: text operators take strings or UTF-8 bytes. "
        f"Choose another column, or convert it first with `cast: {{columns: {{{column}: string}}}}`."
    )


def _valid(array: TextArray, column: str, invalid: Invalid) -> TextArray:
    """The array itself if it is valid UTF-8; otherwise `invalid` decides."""
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        rows = array.view(pa.large_binary()).to_pylist()
        if invalid != "replace":
            _refuse(rows, column, ValueError if invalid == "fail" else InputError)
        return pa.array([None if r is None else r.decode("utf-8", "replace") for r in rows], pa.large_string())
    return array


def _refuse(rows: Sequence[bytes | None], column: str, kind: type[Exception]) -> None:
    for row in rows:
        try:
            (row or b"").decode()
        except UnicodeDecodeError as error:
            raise kind(
                f"a value of column `{column}` is not valid UTF-8: {error.reason} at byte {error.start}. An earlier step can "
                f"fail such rows, such as `cast: {{columns: {{{column}: string}}}}`."
            ) from error
