"""Audio as the steps of a section see it: one streaming decode, from which all steps measure.

The first step that asks for a measure runs the stream. The meters of all steps after it see the same blocks, each behind the
effects of the maps in front of it. A map whose effect depends on a measure of the whole audio ends this run; what follows runs
again from the file, so that memory does not depend on the duration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from datajob.media.audio_stream import facts_of, needs_decoder, open_stream
from datajob.media.audio_types import AudioFacts, Form
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.isolation import progress_made
from datajob.media.lazy import lazy
from datajob.media.references import TimeSpan

if TYPE_CHECKING:
    from datajob.media.audio_stream import Block
    from datajob.operators.media.audio_steps import AudioStep

_END = -1
"""Where the file after the last step is stored."""


class Enough(Exception):
    """Raised by a meter that needs no more samples. It must be alone in its section."""


class Meter(Protocol):
    """Measures a stream block by block."""

    def add(self, block: Block) -> None:
        """The next samples. They must not be changed."""

    def value(self) -> Any:
        """The measure after the last block. Raises MediaError if there is none."""


class Effect(Protocol):
    """Changes a stream block by block."""

    form: Form
    """The form of the changed samples."""

    def process(self, block: Block, last: bool) -> Block:
        """The next samples; `last` is true for an empty block after the last one."""


@dataclass
class Reading:
    """A value, the steps of its section, and what they have found."""

    open: Callable[[], MediaFile]
    span: TimeSpan | None
    steps: Sequence[AudioStep]
    max_seconds: float
    found: dict[int, Any] = field(default_factory=dict)

    @lazy
    def file(self) -> MediaFile:
        """The encoded audio."""
        return self.open()

    @lazy
    def facts(self) -> AudioFacts:
        """The facts of the file. Raises MediaError."""
        return facts_of(self.file)

    def needs_decoder(self) -> bool:
        """Whether only a decoder can read the header."""
        try:
            return needs_decoder(self.file)
        except MediaError:
            return False  # reading the facts raises it again

    def close(self) -> None:
        """Close the file, if it is open."""
        if "file" in self.__dict__:
            self.file.close()

    def position(self, step: AudioStep) -> int:
        """The position of a step of the section."""
        return next(at for at, other in enumerate(self.steps) if other is step)

    def run(self, start: int) -> None:
        """Decode for the step at a position and those behind it, up to a map that needs its own measure first."""
        with open_stream(self.file, self.facts, self.span) as stream:
            links = self._links(start, stream.form)
            if not links:
                return
            last = Last(links)
            try:
                with suppress(Enough):
                    for block in stream.blocks():
                        last.push(block)
                        self._check_duration(last.frames / stream.form.rate)
                        progress_made()
                    last.end()
            except MediaError as error:
                self.found.update({link.position: error for link in links if link.meter is not None})
                return
        for link in links:
            if link.meter is not None:
                self.found[link.position] = _value(link.meter)

    def _links(self, start: int, form: Form) -> list[Link]:
        links: list[Link] = []
        changed = False
        for position, step in enumerate(self.steps):
            if position >= start and (meter := step.meter(form)) is not None:
                links.append(Link(position, meter=meter))
                if step.changes():
                    return links
            if step.changes() and (effect := step.effect(form, self.found.get(position))) is not None:
                links.append(Link(position, effect=effect))
                form, changed = effect.form, True
        rewritten = any(step.changes() and (self.span or step.rewrites(self.facts)) for step in self.steps)
        if changed or rewritten:  # a clip becomes a file
            writer = next(step for step in reversed(self.steps) if step.changes())
            links.append(Link(_END, meter=writer.encoder(form, self.facts)))
        return links

    def _check_duration(self, seconds: float) -> None:
        if seconds > self.max_seconds:
            raise MediaError("tooLong", f"the audio is longer than {self.max_seconds:,.0f} seconds (maxDuration)")


def _value(meter: Meter) -> Any:
    try:
        return meter.value()
    except MediaError as error:
        return error


@dataclass
class Link:
    """A meter or an effect of the step at a position."""

    position: int
    meter: Meter | None = None
    effect: Effect | None = None


class Last:
    """Passes blocks through meters and effects."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links
        self.frames = 0
        """Decoded frames."""

    def push(self, block: Block) -> None:
        """The next block of the file. Raises MediaError if a sample is not a number."""
        if not isfinite(float(block.sum())):
            raise MediaError("damaged", "a sample of the audio is not a finite number")
        self.frames += len(block)
        self._pass(block, last=False)

    def end(self) -> None:
        """No block follows: effects return what they held back."""
        import numpy as np

        self._pass(np.zeros((0, 0), np.float32), last=True)

    def _pass(self, block: Block, last: bool) -> None:
        for link in self._links:
            if link.effect is not None:
                block = link.effect.process(block, last)
            elif link.meter is not None and len(block):
                link.meter.add(block)


class Sound:
    """An audio value, as the step at a position sees it."""

    def __init__(self, reading: Reading, changed: bool = False) -> None:
        self._reading = reading
        self._changed = changed

    @property
    def facts(self) -> AudioFacts:
        """What the header states. Raises MediaError."""
        return self._reading.facts

    @property
    def duration(self) -> float | None:
        """Seconds according to the header, of the clip if the value is one; None if the header does not state them."""
        whole, span = self.facts.duration, self._reading.span
        if span is None:
            return whole
        start, end = span
        if whole is None:
            return None
        return max(0.0, min(whole, whole if end is None else end) - start)

    def form(self, step: AudioStep) -> Form:
        """The sample rate and the number of channels that a step sees."""
        reading = self._reading
        form = Form(reading.facts.sample_rate, reading.facts.channels)
        for position in range(reading.position(step)):
            before = reading.steps[position]
            if before.changes() and (effect := before.effect(form, reading.found.get(position))) is not None:
                form = effect.form
        return form

    def measured(self, step: AudioStep) -> Any:
        """What the meter of a step found. Raises MediaError."""
        reading = self._reading
        position = reading.position(step)
        if position not in reading.found:
            reading.run(position)
        return _unless_error(reading.found[position])

    def cut(self, spans: Sequence[TimeSpan], kind: str) -> list[bytes]:
        """Parts of the audio as files, from spans in order that do not overlap. Decodes once more."""
        from datajob.operators.media.encoders import written_parts

        reading = self._reading
        with open_stream(reading.file, reading.facts, reading.span) as stream:
            return written_parts(stream, spans, kind)

    def has_header(self) -> bool:
        """Whether the header can be read without a decoder, or why it cannot be read is known."""
        return not self._reading.needs_decoder()

    def close(self) -> None:
        """Close the file."""
        self._reading.close()

    def edited(self) -> Sound:
        """The audio after a map."""
        return Sound(self._reading, changed=True)

    def check(self, step: AudioStep) -> None:
        """Raise MediaError if the header states a longer duration than the step permits."""
        if not step.reads_headers() and (self.duration or 0) > self._reading.max_seconds:
            raise MediaError("tooLong", f"the audio is longer than {self._reading.max_seconds:,.0f} seconds (maxDuration)")

    def file(self) -> bytes | None:
        """The new file; None if no step has changed it."""
        reading = self._reading
        if not self._changed:
            return None
        if _END not in reading.found:
            reading.run(len(reading.steps))
        found: bytes | None = _unless_error(reading.found.get(_END))
        return found


def _unless_error(found: Any) -> Any:
    if isinstance(found, MediaError):
        raise found
    return found
