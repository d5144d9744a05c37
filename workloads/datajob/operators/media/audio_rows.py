"""What the child process does with one row of audio: it decodes each value once for all steps of a section."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from datajob.formats.media_files import in_threads, open_file
from datajob.media.values import MediaValue
from datajob.operators.media.audio_steps import AudioStep
from datajob.operators.media.rows import Input, RowWork
from datajob.operators.media.sounds import Reading, Sound


class AudioWork(RowWork[AudioStep]):
    """The steps of a section on audio."""

    def prepare(self) -> None:
        """Load what decodes and measures."""
        import numpy as np

        from datajob.media.audio_types import Form
        from datajob.operators.media.encoders import encoded

        silence = np.zeros((4800, 1), np.float32)
        for kind in ("WAV", "FLAC"):
            ours = tuple(step for step in self.steps if not step.runs_user_code())
            values = (pickle.dumps(([MediaValue(b"")], None)), encoded(silence, Form(16_000, 1), kind))
            AudioWork(ours, self.lists, decides=False)(values)

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
        """The results of steps that only read headers; None if a header needs a decoder to be read."""
        items = self.items(values, header=True)
        try:
            return None if any(not item.has_header() for item in items) else self.results(items)
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
        """Sounds, which know all steps of the section."""
        described, folder = pickle.loads(values[0])  # noqa: S301 - written by `inputs`
        data = iter(values[1:])
        limit = max((step.seconds_limit() for step in self.steps), default=0.0)
        items = []
        for value in described:
            whole = replace(value, data=next(data)) if value.data is not None else value
            items.append(Sound(Reading(partial(open_file, whole, folder, header=header), value.time_span, self.steps, limit)))
        return items


def _close(items: Sequence[Sound]) -> None:
    for item in items:
        item.close()
