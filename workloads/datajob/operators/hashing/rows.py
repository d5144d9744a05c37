"""128-bit hashes of rows by content, which decide on equality, partitions and random draws.

The hash depends only on the values, not on their position, the batch, the machine, library versions, or the Arrow
representation (string or large_string, int32 or int64, plain or dictionary). Different values of a type have equal hashes
with a probability of 2^-128 per pair, so equal hashes are treated as equal rows. Bytes are hashed by MurmurHash3, compiled
here, because the hashes of DuckDB, polars and pandas can change with their versions. The hashes do not protect against
deliberate collisions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.errors import InvalidJob
from datajob.formats._cast import sound_cast
from datajob.formats._exact import EXACT
from datajob.formats._stored_bytes import HIGH, LOW, is_stored

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_MIX = 0x9E3779B97F4A7C15
_LANES = (0x8A91A6D40BF42040, 0x2FE12A6D5C0BF33D)
_NULL = (0x6C62272E07BB0142, 0x62B821756295C58D)


class Hashes(NamedTuple):
    """One 128-bit hash per row, in two uint64 arrays."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]


def hash_rows(table: pa.Table, columns: Sequence[str] | None = None) -> Hashes:
    """The hash of each row over `columns` (all if None). Null is a separate value.

    Raises InvalidJob for a column whose type does not support equality.
    """
    import numpy as np

    names = table.column_names if columns is None else list(columns)
    if not names:
        return _constant(table.num_rows, _NULL)
    parts = [_hash_column(table.column(name), name) for name in names]
    found = parts[0]
    for part in parts[1:]:
        with np.errstate(over="ignore"):
            found = Hashes(*(_finish(f * np.uint64(_MIX) + p) for f, p in zip(found, part, strict=True)))
    return found


def draw(table: pa.Table, columns: Sequence[str] | None, seed: int, salt: str) -> NDArray[np.uint64]:
    """A number per row, uniform over 64 bits, determined by the content of the row, `seed` and `salt`.

    Numbers drawn with different salts are independent of each other, and of the hashes by which rows are partitioned.
    """
    import numpy as np

    salted = int.from_bytes(hashlib.blake2b(f"{seed}:{salt}".encode(), digest_size=16).digest(), "little")
    first, second = np.uint64(salted & (2**64 - 1)), np.uint64(salted >> 64)
    with np.errstate(over="ignore"):
        return _finish(_finish(hash_rows(table, columns).high ^ first) * np.uint64(_MIX) + second)


def redraw(drawn: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Further numbers from drawn ones: those of different `number` are independent of each other."""
    import numpy as np

    with np.errstate(over="ignore"):
        return _finish(drawn + number.astype(np.uint64) * np.uint64(_MIX))


def share(drawn: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Drawn numbers as fractions in [0, 1)."""
    import numpy as np

    return (drawn >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)


def partition_of(hashes: NDArray[np.uint64], partitions: int) -> NDArray[np.int64]:
    """The partition of each hash; partitions are equal, ascending ranges."""
    import numpy as np

    return (((hashes >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)).astype(np.int64)


def _hash_column(column: pa.ChunkedArray[Any], name: str) -> Hashes:
    import numpy as np

    parts = [_hash(chunk, name) for chunk in column.chunks]
    if len(parts) == 1:
        return parts[0]
    empty = np.zeros(0, np.uint64)
    return Hashes(*(np.concatenate([empty, *(p[lane] for p in parts)]) for lane in (0, 1)))


def _hash(array: Any, name: str) -> Hashes:
    """The hash of each value; `name` is the column for errors."""
    import numpy as np

    hashes = _hash_values(array, name)
    if array.null_count:
        null = np.asarray(array.is_null())
        for lane, constant in zip(hashes, _NULL, strict=True):
            lane[null] = constant
    return hashes


def _hash_values(array: Any, name: str) -> Hashes:
    """Like `_hash`, with arbitrary hashes for nulls."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, t = array.type, pa.types
    if isinstance(array, pa.ExtensionArray):
        return _hash(array.storage, name)
    if isinstance(array, pa.DictionaryArray):
        return _hash_dictionary(array, name)
    if t.is_null(kind):
        return _constant(len(array), _NULL)
    if t.is_boolean(kind) or t.is_integer(kind) or t.is_floating(kind):
        return _hash_numbers(array)
    if t.is_temporal(kind) and not t.is_interval(kind):
        return _hash_times(array)
    if t.is_decimal(kind) or t.is_fixed_size_binary(kind):
        return _hash_fixed(array)
    if t.is_string(kind) or t.is_binary(kind) or t.is_string_view(kind) or t.is_binary_view(kind):
        return _hash_bytes(array.cast(pa.large_binary()))
    if t.is_large_string(kind) or t.is_large_binary(kind):
        return _hash_bytes(array)
    if t.is_map(kind):
        return _fold(array.offsets, _fold_fields([_hash(array.keys, name), _hash(array.items, name)], len(array.keys)))
    if t.is_list(kind) or t.is_large_list(kind):
        return _fold(array.offsets, _hash(array.values, name))
    if t.is_fixed_size_list(kind) or t.is_list_view(kind) or t.is_large_list_view(kind):
        return _hash_values(sound_cast(array, pa.large_list(kind.value_type)), name)
    if is_stored(kind):
        return Hashes(*(np.array(pc.struct_field(array, lane).fill_null(0)) for lane in (HIGH, LOW)))
    if t.is_struct(kind):
        return _fold_fields([_hash(field, name) for field in array.flatten()], len(array))
    raise InvalidJob(f"column `{name}` has type {kind}, which cannot be compared; `cast` or `drop` it before this step.")


def _finish(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """MurmurHash3's finalizer: a bijection in which every bit depends on every other."""
    import numpy as np

    shift = np.uint64(33)
    with np.errstate(over="ignore"):
        x = (x ^ (x >> shift)) * np.uint64(0xFF51AFD7ED558CCD)
        x = (x ^ (x >> shift)) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> shift)


def _constant(rows: int, lanes: tuple[int, int]) -> Hashes:
    import numpy as np

    return Hashes(*(np.full(rows, lane, np.uint64) for lane in lanes))


def _hash_words(words: NDArray[np.uint64]) -> Hashes:
    import numpy as np

    return Hashes(*(_finish(words ^ np.uint64(lane)) for lane in _LANES))


def _hash_numbers(array: Any) -> Hashes:
    """Integers by value, and also integral floats, so that 1 and 1.0 match in a join."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_floating(array.type):
        if array.type != pa.uint64():
            return _hash_words(np.asarray(array.cast(pa.int64()).fill_null(0)).view(np.uint64))
        words = np.asarray(array.fill_null(0))
        return _hash_words(np.where(words >> np.uint64(63), _finish(words), words))  # not as the negative number of these bits
    values = np.asarray(array.cast(pa.float64()).fill_null(0.0))
    whole = (np.abs(values) <= EXACT) & (np.trunc(values) == values)
    numbers = np.where(whole, values, 0).astype(np.int64).view(np.uint64)
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    return _hash_words(np.where(whole, numbers, _finish(bits)))


def _hash_times(array: Any) -> Hashes:
    """Times by their microseconds, regardless of the unit, mixed with the remaining nanoseconds, if any."""
    import numpy as np
    import pyarrow as pa

    kind = array.type
    scale = {"s": 1_000_000, "ms": 1_000}.get(getattr(kind, "unit", "us"), 1)
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    numbers = np.asarray(array.view(width).cast(pa.int64()).fill_null(0))
    if pa.types.is_date64(kind):
        numbers = numbers // 86_400_000
    if getattr(kind, "unit", "us") != "ns":
        return _hash_words((numbers * scale).view(np.uint64))
    micros, rest = np.divmod(numbers, 1_000)
    words = micros.view(np.uint64)
    return _hash_words(np.where(rest == 0, words, _finish(words) + rest.astype(np.uint64)))


def _hash_bytes(array: Any) -> Hashes:
    """Strings and binary with 64-bit offsets."""
    import numpy as np

    if not len(array):
        return _constant(0, _NULL)
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return _murmur(data, starts)


def _hash_fixed(array: Any) -> Hashes:
    """Values of a fixed number of bytes."""
    import numpy as np

    width = array.type.byte_width
    starts = (np.arange(len(array) + 1, dtype=np.int64) + array.offset) * width
    return _murmur(array.buffers()[1], starts)


def _murmur(data: Any, starts: NDArray[np.int64]) -> Hashes:
    import numpy as np

    from datajob.operators.kernels.murmur import murmur128

    values = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    found = Hashes(np.empty(len(starts) - 1, np.uint64), np.empty(len(starts) - 1, np.uint64))
    starts.flags.writeable = values.flags.writeable = False
    murmur128(values, starts, found.high, found.low)
    return found


def _fold(offsets: Any, values: Hashes) -> Hashes:
    """The hash of each list from those of the values of all lists."""
    import numpy as np

    from datajob.operators.kernels.murmur import fold128

    starts = np.asarray(offsets).astype(np.int64)
    found = Hashes(np.empty(len(starts) - 1, np.uint64), np.empty(len(starts) - 1, np.uint64))
    for array in (starts, *values):
        array.flags.writeable = False
    fold128(*values, starts, *found)
    return found


def _fold_fields(fields: list[Hashes], rows: int) -> Hashes:
    """The hash of each struct from those of its fields."""
    import numpy as np

    found = _constant(rows, _LANES)
    for field in fields:
        with np.errstate(over="ignore"):
            found = Hashes(*(_finish(f * np.uint64(_MIX) + p) for f, p in zip(found, field, strict=True)))
    return found


def _hash_dictionary(array: Any, name: str) -> Hashes:
    import numpy as np
    import pyarrow as pa

    if not len(array.dictionary):
        return _constant(len(array), _NULL)
    of_values = _hash(array.dictionary, name)
    indices = np.asarray(array.indices.cast(pa.int64()).fill_null(0))
    return Hashes(of_values.high[indices], of_values.low[indices])
