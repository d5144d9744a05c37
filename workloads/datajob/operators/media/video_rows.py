"""What the child process does with one row of video: it opens each value once for all steps of a section."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from datajob.formats.media_files import in_threads, open_file
from datajob.media.values import MediaValue
from datajob.operators.media.clips import Clip, VideoReading
from datajob.operators.media.rows import Input, RowWork
from datajob.operators.media.video_steps import VideoStep


class VideoWork(RowWork[VideoStep]):
    """The steps of a section on video."""

    def prepare(self) -> None:
        """Load what decodes."""
        import av
        import numpy as np  # noqa: F401

        module: Any = av
        module.logging.restore_default_callback()
        for step in self.steps:
            if not step.runs_user_code():
                step.prepare()

    def inputs(self, rows: Sequence[tuple[MediaValue, ...]], folder: str | None) -> Iterator[Input]:
        """A description of the values, and the bytes of those that have any. References are read by the child."""
        buffers = (self._buffers(values, folder) for values in rows)
        if not self.reads_headers:
            return buffers
        return in_threads(lambda values: self._by_headers(values) or values, buffers, lambda values: len(values) == 1)

    def _buffers(self, values: tuple[MediaValue, ...], folder: str | None) -> tuple[Any, ...]:
        present = [value for value in values if not (self.lists and value.missing)]
        described = [replace(value, data=None if value.data is None else b"") for value in present]
        return pickle.dumps((described, folder)), *(value.data for value in present if value.data is not None)

    def _by_headers(self, values: tuple[Any, ...]) -> list[Any] | None:
        """The results of steps that only read headers; None if a header needs FFmpeg to be read."""
        needs_duration = any(step.needs_duration() for step in self.steps)
        items = self.items(values, header=True)
        try:
            return self.results(items) if all(item.has_header(needs_duration) for item in items) else None
        finally:
            _close(items)

    def __call__(self, values: tuple[Any, ...]) -> list[Any]:
        """One result per step up to the one that rejects or fails the row; after the last step, the items."""
        items = self.items(values)
        try:
            return self.results(items)
        finally:
            _close(items)

    def items(self, values: tuple[Any, ...], header: bool = False) -> list[Any]:
        """Clips, which contain all steps of the section."""
        described, folder = pickle.loads(values[0])  # noqa: S301 - written by `inputs`
        data = iter(values[1:])
        items = []
        for value in described:
            whole = replace(value, data=next(data)) if value.data is not None else value
            items.append(Clip(VideoReading(partial(open_file, whole, folder, header=header), value.time_span, self.steps)))
        return items


def _close(items: Sequence[Clip]) -> None:
    for item in items:
        item.close()
