"""What the child process does with one row of images: it decodes each image once for all steps of a section."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from datajob.formats.media_files import fetch_all
from datajob.media.errors import MediaError
from datajob.media.headers import quick_header
from datajob.media.picture import Decoded, Need, Picture, load_libraries
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

    def inputs(self, rows: Sequence[tuple[MediaValue, ...]], folder: str | None) -> Iterator[tuple[Any, ...] | MediaError]:
        """The encoded bytes of the images of each row. Nulls in a list do not count."""
        wanted = [[value for value in values if not (self.lists and value.missing)] for values in rows]
        fetched = fetch_all((value for values in wanted for value in values if not _is_here(value)), folder)
        for values in wanted:
            found: list[Any] = [value.data if _is_here(value) else next(fetched) for value in values]
            yield next((data for data in found if isinstance(data, MediaError)), tuple(found))
        next(fetched, None)  # ends its threads

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
        needs, limit = self._needs
        decoded = Decoded() if len(values) > 1 else None
        return [Picture(data, needs, limit, decoded) for data in values]

    @cached_property
    def _needs(self) -> tuple[tuple[Need, ...], int]:
        """What all steps need, and the most pixels of an image."""
        needs = tuple(dict.fromkeys(need for step in self.steps for need in step.needs()))
        return needs, max((step.pixel_limit() for step in self.steps), default=0)


def _is_here(value: MediaValue) -> bool:
    """Whether the bytes of a value are in its row."""
    return value.data is not None and len(value.data) > 0 and value.problem is None
