"""Media columns as members of tar files: each value is a member whose extension is that of its format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datajob.media.signatures import ending_of
from datajob.media.values import media_values

if TYPE_CHECKING:
    import pyarrow as pa


def media_members(table: pa.Table, columns: tuple[str, ...]) -> list[dict[str, bytes | memoryview]]:
    """The members of each row, by extension.

    The value of the only media column is `<ending>`, such as `jpg`; with several columns, `<column>.<ending>`. The items of a
    list are numbered: `0.jpg`, `1.jpg`.
    """
    rows: list[dict[str, bytes | memoryview]] = [{} for _ in range(table.num_rows)]
    for name in columns:
        before = f"{name.lower()}." if len(columns) > 1 else ""
        cells: Any = media_values(table.column(name))
        for row, cell in zip(rows, cells, strict=True):
            if not isinstance(cell, tuple):
                _add(row, before, cell.data)
                continue
            for number, item in enumerate(cell):
                _add(row, f"{before}{number}.", item.data)
    return rows


def _add(row: dict[str, bytes | memoryview], before: str, data: bytes | memoryview | None) -> None:
    if data is not None:
        row[f"{before}{ending_of(data).removeprefix('.')}"] = data
