"""mediaInfo: columns with what the headers of images state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.errors import StorageUnavailable
from datajob.media.errors import MediaError
from datajob.media.headers import Header
from datajob.operators.base import Map
from datajob.operators.operator import Order
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

_COLUMNS = {"width": "int32", "height": "int32", "format": "string", "mode": "string", "frames": "int32"}


class MediaInfo(Map):
    """Add columns with what the headers of images state. Nothing is decoded.

    | Column | Content |
    |---|---|
    | `width`, `height` | Size in pixels of the displayed image, after the EXIF orientation |
    | `format` | Such as `JPEG` |
    | `mode` | Type of the pixels as Pillow names it, such as `RGB` or `L` |
    | `frames` | More than 1 for an animation |

    Existing columns with these names are replaced; `prefix` avoids that. The values for a list of images are lists, with null
    for each null of the list. A row whose image is missing or has no valid header fails.

    Example:

        - mediaInfo: {prefix: image_}
    """

    column: Column = Field(
        default="image", description="Column with an image: encoded bytes, a path or URL, a struct of both, or a list of these."
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    prefix: str = Field(default="", description="Start of the names of the columns.")

    @model_validator(mode="after")
    def _other_columns(self) -> Self:
        if self.column in {self.prefix + name for name in _COLUMNS}:
            raise ValueError(f"`prefix` must make names other than `{self.column}`, which is the column of the images")
        return self

    def written(self) -> Order:
        """The columns of the facts."""
        return tuple(self.prefix + name for name in _COLUMNS)

    def item_columns(self) -> tuple[str, Order]:
        """All new columns."""
        return self.column, self.written()

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the new columns."""
        import pyarrow as pa

        from datajob.media.values import is_list, media_values

        column: Any = batch.array(self.column)
        lists = is_list(column.type)
        rows = [value if isinstance(value, tuple) else (value,) for value in media_values(column)]
        found = self._headers([value for row in rows for value in row if not (lists and value.missing)])
        values: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for number, row in enumerate(rows):
            facts = [None if lists and value.missing else _facts(next(found), batch, number) for value in row]
            for name in _COLUMNS:
                items = [None if fact is None else fact[name] for fact in facts]
                values[name].append(items if lists else items[0])
        table = batch.table
        for name, kind in _COLUMNS.items():
            plain = getattr(pa, kind)()
            array = pa.array(values[name], pa.list_(plain) if lists else plain)
            at = table.schema.get_field_index(self.prefix + name)
            table = (
                table.append_column(self.prefix + name, array) if at < 0 else table.set_column(at, self.prefix + name, array)
            )
        return table

    def _headers(self, values: list[Any]) -> Any:
        """The header of each value, or why there is none. Pillow reads rare formats in the process that decodes."""
        from datajob.formats.media_files import read_all
        from datajob.media.isolation import run_isolated
        from datajob.operators.media.image_headers import for_child, header_in_child, read_facts

        read = read_all(lambda value: read_facts(value, self.folder), values)
        found = [one if isinstance(one, MediaError) else one.header for one in read]
        others = [at for at, one in enumerate(found) if one is None]
        results = run_isolated(header_in_child, (for_child([values[at]], self.folder) for at in others))
        for at, result in zip(others, results, strict=True):
            if isinstance(result, StorageUnavailable):
                raise result
            found[at] = result
        return iter(found)


def _facts(found: Header | MediaError, batch: Batch, row: int) -> dict[str, Any] | None:
    if isinstance(found, MediaError):
        batch.fail(row, found.marked)
        return None
    width, height = found.upright
    return {"width": width, "height": height, "format": found.format, "mode": found.mode, "frames": found.frames}
