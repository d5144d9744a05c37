"""What the child process does with one row of images: it decodes each image once for all steps of a section."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from datajob.formats.media_files import fetch_all, read_all
from datajob.media.errors import MediaError
from datajob.media.picture import Decoded, Need, Picture
from datajob.media.values import MediaValue
from datajob.operators.media.image_headers import Facts, Remote, for_child, in_child, read_facts
from datajob.operators.media.rows import Input, RowWork
from datajob.operators.media.steps import ImageStep


class ImageWork(RowWork[ImageStep]):
    """The steps of a section on images."""

    def prepare(self) -> None:
        """Load libraries by processing a tiny image."""
        from PIL import Image

        _load_libraries()
        for kind in ("PNG", "JPEG"):
            stream = io.BytesIO()
            Image.new("RGB", (64, 64), "teal").save(stream, kind)
            ours = tuple(step for step in self.steps if not step.runs_user_code())
            self._try(ours, stream.getvalue())

    def _try(self, steps: tuple[ImageStep, ...], data: bytes) -> None:
        work = ImageWork(steps, self.lists, decides=False)
        work(for_child([MediaValue(data)], None) if work.reads_headers else (data,))

    def inputs(self, rows: Sequence[tuple[MediaValue, ...]], folder: str | None) -> Iterator[Input]:
        """The encoded bytes of the images of each row. Nulls in a list do not count."""
        wanted = [[value for value in values if not (self.lists and value.missing)] for values in rows]
        if self.reads_headers:
            yield from self._by_headers(wanted, folder)
            return
        fetched = fetch_all((value for values in wanted for value in values if not _is_here(value)), folder)
        for values in wanted:
            found: list[Any] = [value.data if _is_here(value) else next(fetched) for value in values]
            yield next((data for data in found if isinstance(data, MediaError)), tuple(found))
        next(fetched, None)  # ends its threads

    def _by_headers(self, rows: Sequence[Sequence[MediaValue]], folder: str | None) -> Iterator[Input]:
        """The results of steps that only read headers. The child reads headers that need a decoder."""
        needed = any(step.needs_header() for step in self.steps)
        found = read_all(lambda value: read_facts(value, folder, needed), (value for values in rows for value in values))
        for values in rows:
            facts = [next(found) for _ in values]
            failed = next((one for one in facts if isinstance(one, MediaError)), None)
            known = [one for one in facts if isinstance(one, Facts) and not (needed and one.header is None)]
            if failed is not None:
                yield failed
            elif len(known) < len(facts):
                yield for_child(values, folder)
            else:
                yield self.results([_stated(one) for one in known])
        next(found, None)

    def items(self, values: tuple[Any, ...]) -> list[Any]:
        """Pictures, which know what the steps need: those after a map see its pixels, but it may leave an image as it is."""
        if self.reads_headers:
            return [Remote(opening) for opening in in_child(values)]
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


def _stated(facts: Facts) -> Picture:
    """An image of which everything is known that steps ask for."""
    picture = Picture(b"")
    picture.file_size = facts.size
    if facts.header is not None:
        picture.header = facts.header
    return picture


def _load_libraries() -> None:
    """Import what decodes and reduces images, with one thread."""
    import cv2
    import simplejpeg  # noqa: F401
    from PIL import Image

    Image.init()
    cv2.setNumThreads(1)
