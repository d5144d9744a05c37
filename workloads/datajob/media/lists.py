"""Several media in one row: dropping single items with what stands for them in other columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from datajob.media.values import flat, item_counts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Keep = Literal["any", "all", "each"]
"""`any`: keep a row if one of its items passes. `all`: if all pass. `each`: keep the row, without the items that fail."""
Reduce = Literal["mean", "min", "max"]
PLACEHOLDER = "<image>"


def reduced(values: Sequence[float], how: Reduce) -> float:
    """One measure for those of the items of a list."""
    return {"mean": lambda: sum(values) / len(values), "min": lambda: min(values), "max": lambda: max(values)}[how]()


@dataclass(frozen=True)
class Dropped:
    """Columns without the items that were dropped."""

    items: pa.Array
    text: pa.Array | None
    alongside: pa.Array | None
    failed: dict[int, str]
    """Rows whose other columns do not match the items, with the reason. Their values are unchanged."""
    per_item: dict[str, pa.Array] = field(default_factory=dict)


def drop_items(
    items: pa.Array,
    good: NDArray[np.bool_],
    text: pa.Array | None = None,
    alongside: pa.Array | None = None,
    per_item: Mapping[str, pa.Array] | None = None,
) -> Dropped:
    """Drop the items that are not `good` from a column of lists, with what stands for them in other columns.

    `text` has one placeholder per item, in order: in a text, or anywhere within lists and structs of texts (as in the
    conversations of LLaVA). `alongside` is a list as long as that of the items (as in OBELICS): where its value is null, the
    position is dropped from both lists; where it has a value, the position remains and the item becomes null. The columns
    `per_item` have one value per item, which is dropped or becomes null as the item does.
    """
    import numpy as np

    counts = np.asarray(item_counts(items), dtype=np.int64)
    rows = np.repeat(np.arange(len(counts)), counts)
    bad = ~np.asarray(good, dtype=bool)
    others = {**(per_item or {}), **({} if alongside is None else {"the texts": alongside})}
    new_text, failed = _texts(text, bad, counts)
    for name, column in others.items():
        failed = {**unequal_lengths(items, column, name), **failed}
    bad &= ~np.isin(rows, list(failed))
    if text is not None:
        text = _replaced(text, {row: value for row, value in new_text.items() if row not in failed})
    within = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]

    def places(column: pa.Array) -> NDArray[np.int64]:
        """The position of the value of each item among the values of all lists."""
        lengths = np.asarray(item_counts(column), dtype=np.int64)
        return np.asarray((np.cumsum(lengths) - lengths)[rows] + within)

    null = np.zeros(len(bad), dtype=bool)
    if alongside is not None:
        null[bad] = np.asarray(flat(alongside).is_valid())[places(alongside)[bad]]

    def without(column: pa.Array, nulls: NDArray[np.bool_]) -> pa.Array:
        """The column without the values of the items that are dropped, and null for some of those that are not."""
        at, size = places(column), len(flat(column))
        stays, empty = np.ones(size, dtype=bool), np.zeros(size, dtype=bool)
        stays[at[bad & ~null]] = False
        empty[at[nulls]] = True
        return _lists(column, stays, empty)

    return Dropped(
        without(items, bad & null),
        text,
        None if alongside is None else without(alongside, np.zeros(len(bad), dtype=bool)),
        dict(sorted(failed.items())),
        {name: without(column, bad & null) for name, column in (per_item or {}).items()},
    )


def listed(items: Any, values: Any, at: NDArray[np.int64]) -> pa.Array:
    """Lists as long as those of `items`, with a value at some positions among all items, and null at the others."""
    import numpy as np
    import pyarrow as pa

    counts = item_counts(items)
    order = np.zeros(sum(counts), np.int64)
    empty = np.ones(len(order), dtype=bool)
    order[at], empty[at] = np.arange(len(at)), False
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    made: pa.Array = pa.ListArray.from_arrays(
        offsets, values.take(pa.array(order, mask=empty)), mask=items.is_null() if items.null_count else None
    )
    return made


def unequal_lengths(items: pa.Array, column: pa.Array, name: str) -> dict[int, str]:
    """The rows whose lists in another column are not as long as those of the items."""
    pairs = zip(item_counts(items), item_counts(column), strict=True)
    return {
        row: f"the row has {count} items, but {length} values in {name}"
        for row, (count, length) in enumerate(pairs)
        if count != length
    }


def _lists(column: Any, stays: NDArray[np.bool_], null: NDArray[np.bool_]) -> pa.Array:
    """The column of lists with only the items that stay; some of them become null."""
    import numpy as np
    import pyarrow as pa

    if stays.all() and not null.any():
        return column
    counts = np.asarray(item_counts(column), dtype=np.int64)
    rows = np.repeat(np.arange(len(counts)), counts)
    kept = np.flatnonzero(stays)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=len(counts)))])
    large = pa.types.is_large_list(column.type) or pa.types.is_large_list_view(column.type)
    kind: Any = pa.LargeListArray if large else pa.ListArray
    values = flat(column).take(pa.array(kept, mask=null[kept]))
    made: pa.Array = kind.from_arrays(
        pa.array(offsets, pa.int64() if large else pa.int32()), values, mask=column.is_null() if column.null_count else None
    )
    return made


def _texts(text: pa.Array | None, bad: NDArray[np.bool_], counts: NDArray[np.int64]) -> tuple[dict[int, Any], dict[int, str]]:
    """The changed texts of rows that lose items, and the rows with another number of placeholders."""
    changed: dict[int, Any] = {}
    failed: dict[int, str] = {}
    start = 0
    for row, count in enumerate(counts.tolist() if text is not None else ()):
        lost = bad[start : start + count]
        start += count
        try:
            value = without_placeholders(text[row].as_py(), lost.tolist())  # type: ignore[index]
        except ValueError as error:
            failed[row] = str(error)
        else:
            if lost.any():
                changed[row] = value
    return changed, failed


def without_placeholders(value: Any, lost: Sequence[bool]) -> Any:
    """A text, or lists and structs of texts, without the placeholders of the items that are lost.

    Raises ValueError if it has another number of placeholders than there are items.
    """
    found = sum(text.count(PLACEHOLDER) for text in _strings(value))
    if found != len(lost):
        raise ValueError(f"the text has {found} placeholders {PLACEHOLDER}, but the row has {len(lost)} items")
    decisions = iter(lost)
    return _mapped(value, decisions) if any(lost) else value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _mapped(value: Any, lost: Iterator[bool]) -> Any:
    if isinstance(value, str):
        return _without(value, lost)
    if isinstance(value, dict):
        return {key: _mapped(part, lost) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(part, lost) for part in value)
    return value


def _without(text: str, lost: Iterator[bool]) -> str:
    """A placeholder alone in its line takes its line along."""
    parts = text.split(PLACEHOLDER)
    made = parts[0]
    for part in parts[1:]:
        if not next(lost):
            made += PLACEHOLDER + part
        elif part.startswith("\n") and (not made or made.endswith("\n")):
            made += part[1:]
        elif not part and made.endswith("\n"):
            made = made[:-1]
        else:
            made += part
    return made


def _replaced(column: Any, values: dict[int, Any]) -> pa.Array:
    """The column with other values in some rows."""
    import numpy as np
    import pyarrow as pa

    if not values:
        return column
    order = np.arange(len(column))
    order[list(values)] = len(column) + np.arange(len(values))
    made: pa.Array = pa.concat_arrays([column, pa.array(list(values.values()), column.type)]).take(pa.array(order))
    return made
