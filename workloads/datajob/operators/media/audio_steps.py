"""The bases of steps on audio. Their code runs for one value at a time, in a child process.

A filter measures the samples block by block, and has limits:

    class Peak(SampleFilter):
        max: float = Field(default=0.99, description="...")

        def meter(self, form: Form) -> Meter:
            return PeakMeter()          # add(block): frames x channels, 32-bit float; value()

        def bounds(self) -> tuple[Bound, ...]:
            return min_max(self, "peak")

- A filter that only reads `sound.facts` and `sound.duration` is an AudioFilter: nothing is decoded.
- An AudioMap returns an `effect`, which changes the samples block by block. If it depends on a measure of the whole audio,
  `meter` measures that first. The last map of adjacent steps writes the file.
- To fail a value, raise MediaError with one word as the reason.
- Adjacent steps on the same column form a section: each value is decoded once for all of them, and once more behind each map
  that measures first. A step must not depend on other rows, and its parameters and results must be picklable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.media.lists import Keep
from datajob.media.signatures import Kind
from datajob.operators.base import Bound
from datajob.operators.media.bases import MediaFilter, MediaMap, MediaSignature, MediaSplit, MediaStep, min_max
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    from datajob.media.audio_types import AudioFacts, Form
    from datajob.operators.media.audio_rows import AudioWork
    from datajob.operators.media.sounds import Effect, Meter, Sound

MAX_SECONDS = 86_400
"""Default limit of the duration."""


class AudioStep(MediaStep):
    """What all steps on audio have in common."""

    abstract: ClassVar[bool] = True
    kind: ClassVar[Kind] = "audio"

    column: Column = Field(
        default="audio",
        description="Column with audio or a list of audio. Audio is encoded bytes, a path or URL, or a struct of both.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")

    def required(self) -> Mapping[str, str]:
        """Steps that decode need soundfile. PyAV is needed for some formats only, whose rows fail without it."""
        return self.packages if self.reads_headers() else {"soundfile": "soundfile", **self.packages}

    def seconds_limit(self) -> float:
        """The longest audio that the step decodes."""
        return MAX_SECONDS

    def changes(self) -> bool:
        """Whether it is a map."""
        return False

    def meter(self, form: Form) -> Meter | None:
        """What it measures of samples of this form; None if it only reads headers."""
        return None

    def effect(self, form: Form, measured: Any) -> Effect | None:
        """How a map changes samples of this form, given what its meter measured; None to leave them as they are."""
        return None

    def rewrites(self, facts: AudioFacts) -> bool:
        """Whether a map writes a new file even if its effect leaves the samples as they are."""
        return False

    def encoder(self, form: Form, facts: AudioFacts) -> Meter:
        """Writes the changed samples of a file with these facts; its value is the new file."""
        raise NotImplementedError

    def work(self, steps: tuple[Any, ...], lists: bool, decides: bool) -> AudioWork:
        """Decodes each value once."""
        from datajob.operators.media.audio_rows import AudioWork

        return AudioWork(steps, lists, decides)


class AudioFilter(AudioStep, MediaFilter):
    """Keep rows whose audio has measures within limits."""

    abstract: ClassVar[bool] = True

    keep_if: Keep = Field(
        default="any",
        alias="keep",
        description="Whether `any` or `all` items of a list must be within the limits. With `each`, the row is kept, and the "
        "items that are not within the limits are removed.",
    )
    output: NewColumn | None = Field(default=None, description="Column for the measure.")

    def measure(self, sound: Sound) -> float | Mapping[str, float]:
        """The measure of a value, or several by name. Raises MediaError if it has none."""
        raise NotImplementedError

    def reads_headers(self) -> bool:
        """Unless it decodes samples."""
        return not self.runs_user_code()


_MAX_DURATION: Any = Field(
    default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to decode; longer audio fails."
)


class SampleFilter(AudioFilter):
    """A filter that decodes samples."""

    abstract: ClassVar[bool] = True

    max_duration: float = _MAX_DURATION

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration

    def reads_headers(self) -> bool:
        """False."""
        return False

    def measure(self, sound: Sound) -> float | Mapping[str, float]:
        """What the meter measured."""
        found: float | Mapping[str, float] = sound.measured(self)
        return found


class AudioSignature(AudioStep, MediaSignature):
    """Computes a value from the samples of each row, such as a hash; for steps that are not filters or maps."""

    abstract: ClassVar[bool] = True

    def sign(self, sound: Sound) -> Any:
        """What the meter measured."""
        return sound.measured(self)


class AudioSplit(AudioStep, MediaSplit):
    """Turns each row into one row for each part of its audio."""

    abstract: ClassVar[bool] = True

    def sign(self, sound: Sound) -> Any:
        """What the meter measured."""
        return sound.measured(self)


class AudioMap(AudioStep, MediaMap):
    """Change the audio of each row."""

    abstract: ClassVar[bool] = True

    max_duration: float = _MAX_DURATION

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration

    def changes(self) -> bool:
        """True."""
        return True

    def edited(self, sound: Sound) -> Sound | None:
        """The changed audio; it is encoded after the last step."""
        return sound.edited()


__all__ = ["AudioFilter", "AudioMap", "AudioSignature", "AudioSplit", "AudioStep", "Bound", "SampleFilter", "min_max"]
