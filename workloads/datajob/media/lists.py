"""Several media in one row: what `keep` decides about the row, and dropping single items with what stands for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from datajob.media.values import flat, item_counts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Keep = Literal["any", "all", "each"]
"""`any`: keep a row if one of its items passes. `all`: if all pass. `each`: keep the row, without the items that fail."""
PLACEHOLDER = "<image>"


@dataclass(frozen=True)
class Dropped:
    """Columns without the items that were dropped."""

    items: pa.Array
    text: pa.Array | None
    alongside: pa.Array | None
    failed: dict[int, str]
    """Rows whose text does not match the items, with the reason. Their values are unchanged."""


def rows_to_keep(
    good: NDArray[np.bool_], counts: Sequence[int], keep: Keep, present: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Whether each row passes. `good` has one decision per item of all rows, `counts` the number of items of each row.

    Items that are not `present`, such as nulls between images, do not count. A row without items passes: nothing in it fails.
    """
    import numpy as np

    exists = np.ones(len(good), dtype=bool) if present is None else np.asarray(present, dtype=bool)
    rows = np.repeat(np.arange(len(counts)), np.asarray(counts, dtype=np.int64))
    items = np.bincount(rows[exists], minlength=len(counts))
    passed = np.bincount(rows[exists & np.asarray(good, dtype=bool)], minlength=len(counts))
    if keep == "each":
        return np.ones(len(counts), dtype=bool)
    decided: NDArray[np.bool_] = passed >= (items if keep == "all" else np.minimum(items, 1))
    return decided


def drop_items(
    items: pa.Array,
    good: NDArray[np.bool_],
    text: pa.Array | None = None,
    alongside: pa.Array | None = None,
    placeholder: str = PLACEHOLDER,
) -> Dropped:
    """Drop the items that are not `good` from a column of lists, with what stands for them in two other columns.

    `text` has one placeholder per item, in order: in a text, or anywhere within lists and structs of texts (as in the
    conversations of LLaVA). `alongside` is a list as long as that of the items (as in OBELICS): where its value is null, the
    position is dropped from both lists; where it has a value, the position remains and the item becomes null.
    """
    import numpy as np

    counts = np.asarray(item_counts(items), dtype=np.int64)
    rows = np.repeat(np.arange(len(counts)), counts)
    bad = ~np.asarray(good, dtype=bool)
    new_text, failed = _texts(text, bad, counts, placeholder)
    if alongside is not None:
        lengths = np.asarray(item_counts(alongside), dtype=np.int64)
        unequal = (
            (row, f"the row has {counts[row]} items, but the list alongside has {lengths[row]}")
            for row in np.flatnonzero(counts != lengths).tolist()
        )
        failed = {**dict(unequal), **failed}
    bad &= ~np.isin(rows, list(failed))
    if text is not None:
        text = _replaced(text, {row: value for row, value in new_text.items() if row not in failed})
    if alongside is None:
        return Dropped(_lists(items, ~bad, np.zeros(len(bad), dtype=bool)), text, None, failed)
    edges = np.cumsum(counts) - counts
    other_edges = np.cumsum(lengths) - lengths
    at = other_edges[rows] + np.arange(len(rows)) - edges[rows]
    other = flat(alongside)
    has_text = np.zeros(len(bad), dtype=bool)
    has_text[bad] = np.asarray(other.is_valid())[at[bad]]
    stays = np.ones(len(other), dtype=bool)
    stays[at[bad & ~has_text]] = False
    return Dropped(
        _lists(items, ~bad | has_text, bad & has_text), text, _lists(alongside, stays, ~stays), dict(sorted(failed.items()))
    )


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


def _texts(
    text: pa.Array | None, bad: NDArray[np.bool_], counts: NDArray[np.int64], placeholder: str
) -> tuple[dict[int, Any], dict[int, str]]:
    """The changed texts of rows that lose items, and the rows with another number of placeholders."""
    changed: dict[int, Any] = {}
    failed: dict[int, str] = {}
    start = 0
    for row, count in enumerate(counts.tolist() if text is not None else ()):
        lost = bad[start : start + count]
        start += count
        try:
            value = without_placeholders(text[row].as_py(), lost.tolist(), placeholder)  # type: ignore[index]
        except ValueError as error:
            failed[row] = str(error)
        else:
            if lost.any():
                changed[row] = value
    return changed, failed


def without_placeholders(value: Any, lost: Sequence[bool], placeholder: str = PLACEHOLDER) -> Any:
    """A text, or lists and structs of texts, without the placeholders of the items that are lost.

    Raises ValueError if it has another number of placeholders than there are items.
    """
    found = sum(text.count(placeholder) for text in _strings(value))
    if found != len(lost):
        raise ValueError(f"the text has {found} placeholders {placeholder}, but the row has {len(lost)} items")
    decisions = iter(lost)
    return _mapped(value, decisions, placeholder) if any(lost) else value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _mapped(value: Any, lost: Iterator[bool], placeholder: str) -> Any:
    if isinstance(value, str):
        return _without(value, lost, placeholder)
    if isinstance(value, dict):
        return {key: _mapped(part, lost, placeholder) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(part, lost, placeholder) for part in value)
    return value


def _without(text: str, lost: Iterator[bool], placeholder: str) -> str:
    """A placeholder alone in its line takes its line along."""
    parts = text.split(placeholder)
    made = parts[0]
    for part in parts[1:]:
        if not next(lost):
            made += placeholder + part
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
