"""snr: keep rows whose audio has little noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound

WINDOW_SECONDS = 0.025


class Snr(SampleFilter):
    """Keep rows whose audio has a signal-to-noise ratio within limits, in dB: (signal - noise) / noise, from -20 to 100.

    By default, the power of the noise is the 10th percentile of the powers of 25 ms windows, and that of the signal the 90th.
    This assumes that the signal pauses, as speech does; continuous music has a low ratio. With `method: vad`, the signal is
    the mean power of the windows in which silero-vad finds speech, and the noise that of the others. This also holds for
    recordings with loud noises between sentences, and audio without speech has -20. If nothing but speech is found, the noise
    is the 10th percentile. Data-Juicer's `audio_nmf_snr_filter` factorizes the spectrum instead, and its values do not compare.

    Example:

        - snr: {min: 15, output: snr}
        - snr: {method: vad, min: 10}
    """

    min: float | None = Field(default=10, description="Minimum ratio in dB.")
    max: float | None = Field(default=None, description="Maximum ratio in dB.")
    method: Literal["percentile", "vad"] = Field(
        default="percentile", description="How signal and noise are told apart: by percentiles of the power, or by speech."
    )
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="With `method: vad`, the probability from which a window is speech."
    )

    def required(self) -> Mapping[str, str]:
        """With `method: vad`, also the packages of vadSegment."""
        if self.method == "percentile":
            return super().required()
        from datajob.operators.media.speech import SpeechProbability

        return {**super().required(), **SpeechProbability.packages}

    def meter(self, form: Form) -> Meter:
        """Powers of windows, and of speech if it is needed."""
        from datajob.operators.media.meters import Windows
        from datajob.operators.media.speech import SpeechPowers

        return Windows(form, WINDOW_SECONDS) if self.method == "percentile" else SpeechPowers(form, WINDOW_SECONDS)

    def measure(self, sound: Sound) -> float:
        """The ratio."""
        from datajob.operators.media.meters import percentiles, ratio_of_powers
        from datajob.operators.media.speech import speech_and_noise

        found = sound.measured(self)
        if self.method == "percentile":
            return ratio_of_powers(*percentiles(found))
        powers, probabilities = found
        return ratio_of_powers(*speech_and_noise(powers, probabilities, WINDOW_SECONDS, self.threshold))

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "snr")
