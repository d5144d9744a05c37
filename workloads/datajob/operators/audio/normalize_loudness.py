"""normalizeLoudness: give all audio the same loudness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.operators.media.audio_steps import AudioMap
from datajob.operators.media.encoders import AudioFormat

if TYPE_CHECKING:
    from datajob.media.audio_types import AudioFacts, Form
    from datajob.operators.media.sounds import Effect, Meter, Sound


class NormalizeLoudness(AudioMap):
    """Amplify or attenuate audio to a loudness (BS.1770-4), up to a gain and a true peak. Silence remains unchanged.

    The audio is decoded twice: to measure, then to change. Emilia uses a gain of at most 3 dB; podcasts usually have -16 LUFS,
    broadcast -23.

    Example:

        - normalizeLoudness: {target: -23, maxGain: 6}
    """

    target: float = Field(default=-23, ge=-70, le=0, description="Loudness in LUFS.")
    max_gain: float = Field(default=6, ge=0, le=60, description="Maximum amplification in dB. Attenuation has no limit.")
    peak: float = Field(default=-1, le=0, description="Maximum true peak in dBTP; limits the amplification.")
    format: AudioFormat | None = Field(default=None, description="Format of the new files; by default as before, or wav.")

    def meter(self, form: Form) -> Meter:
        """The loudness and the true peak."""
        from datajob.operators.media.effects import LoudnessAndPeak

        return LoudnessAndPeak(form)

    def edited(self, sound: Sound) -> Sound | None:
        """Measures first."""
        sound.measured(self)
        return sound.edited()

    def effect(self, form: Form, measured: Any) -> Effect | None:
        """A constant gain."""
        from datajob.operators.media.effects import Gain, limited_gain

        gain = limited_gain(measured, self.target, self.max_gain, self.peak)
        return None if gain == 0 else Gain(form, gain)

    def encoder(self, form: Form, facts: AudioFacts) -> Meter:
        """The format of the file, unless it cannot be written."""
        from datajob.operators.media.encoders import AudioWriter

        own = facts.format if facts.format in ("WAV", "FLAC") or facts.codec == "vorbis" else "WAV"
        return AudioWriter(form, self.format.upper() if self.format else own)
