"""Packing of lists into sequences of a fixed length."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

    Integers = NDArray[np.int64]

TABLE_TOKENS = 1 << 22
"""Tokens of a table of results."""


def refusals(batch: Batch, column: str, mask: str | None, limit: int | None) -> Iterator[tuple[int, str]]:
    """The rows that cannot be packed exactly, with their reason. Raises InputError if the columns are not lists."""
    import numpy as np

    lists, sizes = _lists(batch, column)
    for row in np.flatnonzero(sizes > limit) if limit is not None else ():
        yield int(row), f"tooLong: the row has {sizes[row]} tokens, and `length` is {limit}"
    yield from _with_nulls(lists, sizes, column)
    if mask is not None:
        others, other_sizes = _lists(batch, mask)
        for row in np.flatnonzero(sizes != other_sizes):
            yield int(row), f"differentLengths: {sizes[row]} tokens, but {other_sizes[row]} values in `{mask}`"
        yield from _with_nulls(others, other_sizes, mask)


def _lists(batch: Batch, column: str) -> tuple[Any, Integers]:
    """The column as an array of lists, and their sizes; 0 for null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from datajob.errors import InputError

    kind = batch.table.schema.field(column).type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_integer(kind.value_type):
        raise InputError(f"`pack`: column `{column}` has the type {kind}; it must contain lists of integers")
    lists = batch.array(column)
    return lists, np.asarray(pc.list_value_length(lists).fill_null(0), np.int64)


def _with_nulls(lists: Any, sizes: Integers, column: str) -> Iterator[tuple[int, str]]:
    import numpy as np

    values = lists.flatten()
    if values.null_count:
        rows = np.repeat(np.arange(len(lists)), sizes)
        for row in np.unique(rows[~np.asarray(values.is_valid())]):
            yield int(row), f"nullToken: `{column}` contains null"


def concatenated(columns: Sequence[Any], names: Sequence[str], lengths: str, length: int) -> Iterator[pa.Table]:
    """Rows joined and cut every `length` tokens."""
    import numpy as np

    values, sizes = _flat(columns)
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.append(np.arange(0, total, length), total)
    edges = np.unique(np.concatenate([ends, cuts, [0]]))  # the ends of all pieces
    yield from _tables(values, edges[:-1], np.diff(edges), np.diff(np.searchsorted(edges, cuts)), names, lengths)


def best_fit(columns: Sequence[Any], names: Sequence[str], lengths: str, length: int, truncate: bool) -> Iterator[pa.Table]:
    """Rows that are not cut, unless they are longer than `length`. Sequences are in the order of their first rows."""
    import numpy as np

    values, sizes = _flat(columns)
    begins = np.cumsum(sizes) - sizes
    pieces = np.minimum(1, sizes) if truncate else -(-sizes // length)
    of = np.repeat(np.arange(len(sizes)), pieces)
    begins = begins[of] + (np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * length
    sizes = np.minimum(length, (np.cumsum(sizes))[of] - begins) if not truncate else np.minimum(length, sizes[of])
    bins = assigned(sizes, length)
    order = np.argsort(bins, kind="stable")
    yield from _tables(values, begins[order], sizes[order], np.bincount(bins), names, lengths)


def assigned(sizes: Integers, length: int) -> Integers:
    """The sequence of each row by best-fit decreasing; sequences are numbered by their first row. Sizes are 1 to `length`."""
    import numpy as np

    spaces: list[int] = []  # distinct spaces of open sequences, ascending
    of_space: defaultdict[int, deque[int]] = defaultdict(deque)
    bins = np.empty(len(sizes), np.int64)
    opened = 0
    for row in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[row])
        at = bisect_left(spaces, size)
        if at == len(spaces):
            found, space, opened = opened, length, opened + 1
        else:
            space = spaces[at]
            found = of_space[space].popleft()
            if not of_space[space]:
                del spaces[at]
        bins[row] = found
        if rest := space - size:
            if not of_space[rest]:
                insort(spaces, rest)
            of_space[rest].append(found)
    first = np.full(opened, len(sizes))
    np.minimum.at(first, bins, np.arange(len(sizes)))
    rank = np.empty(opened, np.int64)
    rank[np.argsort(first)] = np.arange(opened)
    return rank[bins]


def _flat(columns: Sequence[Any]) -> tuple[list[Any], Integers]:
    """The values of the lists of each column, and the sizes of the lists, without empty ones."""
    import numpy as np
    import pyarrow.compute as pc

    sizes = np.asarray(pc.list_value_length(columns[0]).fill_null(0).combine_chunks(), np.int64)
    values = [pc.list_flatten(column).combine_chunks() for column in columns]
    return [np.asarray(one) for one in values], sizes[sizes > 0]


def _tables(
    values: Sequence[Any], begins: Integers, sizes: Integers, pieces: Integers, names: Sequence[str], lengths: str
) -> Iterator[pa.Table]:
    """Sequences of `pieces` pieces each, which are ranges of the values, as tables of limited size."""
    import numpy as np
    import pyarrow as pa

    of = np.concatenate([[0], np.cumsum(pieces)])
    tokens = np.concatenate([[0], np.cumsum(sizes)])[of]
    start = 0
    while start < len(pieces):
        stop = max(start + 1, int(np.searchsorted(tokens, tokens[start] + TABLE_TOKENS, side="right")) - 1)
        offsets = pa.array((tokens[start : stop + 1] - tokens[start]).astype(np.int32))
        taken, first = sizes[of[start] : of[stop]], begins[of[start] : of[stop]]
        index = np.repeat(first - (np.cumsum(taken) - taken), taken) + np.arange(int(taken.sum()))
        cells = [pa.ListArray.from_arrays(offsets, pa.array(one[index])) for one in values]
        of_offsets = pa.array((of[start : stop + 1] - of[start]).astype(np.int32))
        cells.append(pa.ListArray.from_arrays(of_offsets, pa.array(taken.astype(np.int32))))
        yield pa.table(cells, names=[*names, lengths])
        start = stop
