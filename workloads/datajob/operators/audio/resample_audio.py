"""resampleAudio: give audio one sample rate, number of channels and format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from datajob.operators.media.audio_steps import AudioMap
from datajob.operators.media.encoders import AudioFormat

if TYPE_CHECKING:
    from datajob.media.audio_types import AudioFacts, Form
    from datajob.operators.media.sounds import Effect, Meter


class ResampleAudio(AudioMap):
    """Convert audio to a sample rate, a number of channels and a format. Files that have all of them remain unchanged.

    To mono, channels are averaged, as librosa and NeMo Curator do. New files have 16 bits per sample. The steps after it see
    the converted audio.

    Example:

        - resampleAudio: {rate: 16000, channels: 1, format: flac}
    """

    packages: ClassVar[dict[str, str]] = {"soxr": "soxr"}

    rate: int | None = Field(default=16_000, ge=1000, le=384_000, description="Sample rate in Hz; null keeps it.")
    channels: Literal[1, 2] | None = Field(
        default=1, description="Number of channels; null keeps it. Mono becomes stereo by repeating the channel."
    )
    format: AudioFormat = Field(default="wav", description="Format of the new files.")
    quality: Literal["LQ", "MQ", "HQ", "VHQ"] = Field(default="HQ", description="Quality of the resampler (soxr).")

    def effect(self, form: Form, measured: Any) -> Effect | None:
        """Mixes channels first, which leaves fewer samples to resample."""
        from datajob.operators.media.effects import Conversion

        if form.channels > 2 and self.channels == 2:
            from datajob.media.errors import MediaError

            raise MediaError("unsupportedFormat", f"{form.channels} channels cannot be mixed to 2; use `channels: 1`")
        target = form._replace(rate=self.rate or form.rate, channels=self.channels or form.channels)
        return None if target == form else Conversion(form, target, self.quality)

    def rewrites(self, facts: AudioFacts) -> bool:
        """Files of another format are written again."""
        return facts.format != self.format.upper() or (facts.bits or 16) != 16

    def encoder(self, form: Form, facts: AudioFacts) -> Meter:
        """The parameter `format`."""
        from datajob.operators.media.encoders import AudioWriter

        return AudioWriter(form, self.format.upper())
