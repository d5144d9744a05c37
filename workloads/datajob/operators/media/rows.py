"""What the child process does with one row: all steps of a section, one after the other, on the row's images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from datajob.errors import describe_error
from datajob.media.errors import MediaError
from datajob.media.headers import Header
from datajob.media.image import check_pixels
from datajob.media.picture import Edited, Need, Picture, load_libraries, quick_header
from datajob.operators.media.steps import ImageFilter, ImageMap, ImageSignature, ImageStep


class Measured(NamedTuple):
    """What a filter found for the images of a row."""

    code: int
    """0 keeps the row; i > 0 rejects it for the i-th reason."""
    values: tuple[tuple[float, ...] | None, ...]
    """The measures of each image that reached the step; None for an image that failed alone."""


class Edits(NamedTuple):
    """A map has processed the images of a row."""


class Signed(NamedTuple):
    """The values of the images of a row."""

    values: tuple[Any, ...]


class Changed(NamedTuple):
    """The images of a row after the last step."""

    kept: tuple[bool, ...] | None
    """Whether each image remains; None if all do."""
    files: tuple[bytes | None, ...] | None
    """The new file of each image that remains, None for an unchanged one; None if none has changed."""


StepResult = Measured | Edits | Signed


@dataclass(frozen=True)
class RowWork:
    """The steps of a section, as the child calls them."""

    steps: tuple[ImageStep, ...]
    lists: bool
    decides: bool = True
    """False: every step measures every image, regardless of the decisions of the steps before."""

    def prepare(self) -> None:
        """Load the libraries that our own steps need, before memory is limited: let them process a tiny image."""
        from PIL import Image

        load_libraries()
        for kind in ("PNG", "JPEG"):
            stream = io.BytesIO()
            Image.new("RGB", (64, 64), "teal").save(stream, kind)
            replace(self, steps=tuple(s for s in self.steps if not s.runs_user_code()), decides=False)((stream.getvalue(),))

    def in_process(self, item: list[Any]) -> Any:
        """The result of steps that only read headers, without the child; None if a header needs a decoder to be read."""
        headers = [quick_header(data) for data in item]
        return None if None in headers else self._results(_Row(self, item, headers))

    def __call__(self, item: tuple[Any, ...]) -> list[Any]:
        """One result per step up to the one that rejects or fails the row; after the last step, the images."""
        return self._results(_Row(self, item))

    def _results(self, row: _Row) -> list[Any]:
        results: list[Any] = []
        for step in self.steps:
            results.append(row.apply(step))
            if self.decides and (
                isinstance(results[-1], MediaError) or (isinstance(results[-1], Measured) and results[-1].code)
            ):
                return results
        return [*results, row.images()]


class _Row:
    """The images of a row that earlier steps have not removed."""

    def __init__(self, work: RowWork, item: Sequence[Any], headers: Sequence[Header | None] = ()) -> None:
        self._lists, self._decides = work.lists, work.decides
        limit = max((step.pixel_limit() for step in work.steps), default=0)
        needs = _needs_of_files(work.steps)
        self._pictures: list[Picture] = [Picture(data, needs, limit) for data in item]
        for picture, header in zip(self._pictures, headers, strict=False):
            if header is not None:
                picture.header = header
        self._at = list(range(len(item)))
        self._count = len(item)

    def apply(self, step: ImageStep) -> StepResult | MediaError:
        """The result of a step, or why it fails the row."""
        try:
            if isinstance(step, ImageFilter):
                return self.measure(step)
            return self.sign(step) if isinstance(step, ImageSignature) else self.edit(step)
        except MediaError as error:
            return error
        except MemoryError:
            return MediaError("tooLarge", "processing the image needs more memory than the limit")
        except Exception as error:  # noqa: BLE001 - decoders and user code raise anything
            kind, _, text = describe_error(error).partition(": ")
            return MediaError(kind, text)

    def measure(self, step: ImageFilter) -> Measured:
        """Measure the images, and decide the row. With `keep: each`, images that violate a limit or fail are removed."""
        each = self._lists and self._decides and step.keep_if == "each"
        values: list[tuple[float, ...] | None] = []
        codes: list[int] = []
        for picture in self._pictures:
            try:
                self._check(step, picture)
                found = _numbers(step, picture)
            except MediaError:
                if not each:
                    raise
                values.append(None)
                codes.append(-1)
            else:
                values.append(found)
                codes.append(_code(step, found))
        if each:
            stays = [code == 0 for code in codes]
            self._pictures = [picture for picture, kept in zip(self._pictures, stays, strict=True) if kept]
            self._at = [at for at, kept in zip(self._at, stays, strict=True) if kept]
            return Measured(0, tuple(values))
        passed = all(code == 0 for code in codes) if step.keep_if == "all" else not codes or 0 in codes
        return Measured(0 if passed else next(code for code in codes if code), tuple(values))

    def sign(self, step: ImageSignature) -> Signed:
        """The values of the images."""
        for picture in self._pictures:
            self._check(step, picture)
        return Signed(tuple(step.sign(picture) for picture in self._pictures))

    def edit(self, step: ImageStep) -> Edits:
        """Change the images."""
        assert isinstance(step, ImageMap)
        for at, picture in enumerate(self._pictures):
            self._check(step, picture)
            pixels = step.change(picture)
            if pixels is not None:
                self._pictures[at] = Edited(pixels, step.encoding(picture))
        return Edits()

    def images(self) -> Changed:
        """The images after the last step."""
        kept = None
        if len(self._at) < self._count:
            kept = tuple(at in self._at for at in range(self._count))
        files = tuple(picture.encoded() if isinstance(picture, Edited) else None for picture in self._pictures)
        return Changed(kept, files if any(file is not None for file in files) else None)

    def _check(self, step: ImageStep, picture: Picture) -> None:
        if step.needs() and not isinstance(picture, Edited):
            check_pixels(picture.header.width, picture.header.height, step.pixel_limit())


def _needs_of_files(steps: tuple[ImageStep, ...]) -> list[Need]:
    """What the steps need of the files: those after a map see its pixels. A map may leave an image as it is."""
    return [need for step in steps for need in step.needs()]


def _numbers(step: ImageFilter, picture: Picture) -> tuple[float, ...]:
    """The measures of an image in the order of their names. Raises MediaError if one of them is not a number."""
    found: Any = step.measure(picture)
    names = step.measured()
    values = tuple(float(found[name]) for name in names) if isinstance(found, dict) else (float(found),)
    if any(value != value for value in values):
        raise MediaError("notMeasurable", f"`{step.key}` is not a number for this image")
    return values


def _code(step: ImageFilter, values: tuple[float, ...]) -> int:
    """0, or the number of the first limit that is violated."""
    by_name = dict(zip(step.measured(), values, strict=True))
    for code, bound in enumerate(step.bounds(), start=1):
        value = by_name[bound.measure]
        if value < bound.limit if bound.is_minimum else value > bound.limit:
            return code
    return 0
