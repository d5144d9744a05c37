"""Statistics of the columns of a file for the log of a table, so that readers can skip files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_COLUMNS = 32
"""Number of columns with statistics, as in Spark."""
TEXT_CHARACTERS = 32
"""Texts are cut to this length."""
_LAST = chr(0x10FFFF)
"""Follows a cut maximum, so that it is not less than the maximum."""


def footer_stats(footer: pq.FileMetaData) -> dict[str, Any]:
    """`nulls`, `min` and `max` of the columns that are not nested, from the footer of a file."""
    nulls: dict[str, int] = {}
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    for index in range(min(footer.num_columns, 4 * MAX_COLUMNS)):
        if len(nulls) == MAX_COLUMNS or not footer.num_row_groups:
            break
        found = [footer.row_group(group).column(index) for group in range(footer.num_row_groups)]
        name = found[0].path_in_schema
        if (
            footer.schema.column(index).max_repetition_level
            or footer.schema.column(index).path != footer.schema.column(index).name
        ):
            continue
        statistics = [column.statistics for column in found]
        if not all(one is not None and one.has_null_count for one in statistics):
            continue
        nulls[name] = sum(one.null_count for one in statistics)
        if (ends := _ends(footer, statistics)) is None:
            continue
        least, most = _as_json(ends[0]), _as_json(ends[1], upper=True)
        low |= {} if least is None else {name: least}
        high |= {} if most is None else {name: most}
    return {"nulls": nulls, "min": low, "max": high}


def _ends(footer: pq.FileMetaData, statistics: Sequence[Any]) -> tuple[Any, Any] | None:
    """The minimum and the maximum of a column, given the statistics of its row groups; None if they are unknown."""
    known = [one for one in statistics if one.has_min_max]
    only_nulls = sum(
        not one.has_min_max and one.null_count == footer.row_group(number).num_rows for number, one in enumerate(statistics)
    )
    if not known or len(known) + only_nulls < len(statistics):
        return None
    try:
        return min(one.min for one in known), max(one.max for one in known)
    except (ValueError, OverflowError, UnicodeError):  # years that Python does not have
        return None


def _as_json(value: Any, upper: bool = False) -> Any:
    """A bound as JSON; None if it has no form there."""
    if isinstance(value, bool | bytes):
        return None
    if isinstance(value, str):
        if len(value) <= TEXT_CHARACTERS:
            return value
        return value[:TEXT_CHARACTERS] + (_LAST if upper else "")
    if isinstance(value, datetime):
        text = (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text}Z" if value.tzinfo else text
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value) if Decimal(float(value)) == value else None
    if isinstance(value, float):
        return None if upper or value != value or abs(value) == float("inf") else value  # NaN is in no maximum
    return value if isinstance(value, int) else None
