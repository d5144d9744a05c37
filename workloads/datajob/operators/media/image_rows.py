"""What the child process does with one row of images: it decodes each image once for all steps of a section."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from datajob.formats.media_files import fetch_all
from datajob.media.errors import MediaError
from datajob.media.picture import Picture, load_libraries, quick_header
from datajob.media.values import MediaValue
from datajob.operators.media.rows import RowWork
from datajob.operators.media.steps import ImageStep


class ImageWork(RowWork[ImageStep]):
    """The steps of a section on images."""

    def prepare(self) -> None:
        """Load libraries by processing a tiny image."""
        from PIL import Image

        load_libraries()
        for kind in ("PNG", "JPEG"):
            stream = io.BytesIO()
            Image.new("RGB", (64, 64), "teal").save(stream, kind)
            ours = tuple(step for step in self.steps if not step.runs_user_code())
            ImageWork(ours, self.lists, decides=False)((stream.getvalue(),))

    def inputs(self, rows: Sequence[tuple[MediaValue, ...]], folder: str | None) -> list[tuple[Any, ...] | MediaError]:
        """The encoded bytes of the images of each row. Nulls in a list do not count."""
        wanted = [(row, value) for row, values in enumerate(rows) for value in values if not (self.lists and value.missing)]
        encoded: list[list[Any]] = [[] for _ in rows]
        failed: dict[int, MediaError] = {}
        fetched = fetch_all((value for _, value in wanted if not _is_here(value)), folder)
        for row, value in wanted:
            data: Any = value.data if _is_here(value) else next(fetched)
            if isinstance(data, MediaError):
                failed.setdefault(row, data)
            else:
                encoded[row].append(data)
        next(fetched, None)  # ends its threads
        return [failed.get(row) or tuple(values) for row, values in enumerate(encoded)]

    def in_process(self, values: tuple[Any, ...]) -> Any:
        """The result of steps that only read headers, without the child; None if a header needs a decoder to be read."""
        items = self.items(values)
        for item in items:
            header = quick_header(item.data)
            if header is None:
                return None
            item.header = header
        return self.results(items)

    def items(self, values: tuple[Any, ...]) -> list[Any]:
        """Pictures, which know what the steps need: those after a map see its pixels, but it may leave an image as it is."""
        needs = [need for step in self.steps for need in step.needs()]
        limit = max((step.pixel_limit() for step in self.steps), default=0)
        return [Picture(data, needs, limit) for data in values]


def _is_here(value: MediaValue) -> bool:
    """Whether the bytes of a value are in its row."""
    return value.data is not None and len(value.data) > 0 and value.problem is None
