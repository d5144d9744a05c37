"""audioFormat: keep rows whose audio has the sample rate, channels and resolution that a job needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import AudioFilter

if TYPE_CHECKING:
    from datajob.operators.media.sounds import Sound

LOSSY_BITS = 16
"""Bits that count for codecs with loss, which have no resolution."""


class AudioFormat(AudioFilter):
    """Keep rows whose audio has a sample rate, a number of channels and a resolution within limits. Only headers are read.

    `output` receives the sample rate in Hz. Codecs with loss, such as MP3, count as 16 bits.

    Example:

        - audioFormat: {minSampleRate: 16000, maxChannels: 2}
    """

    min_sample_rate: int | None = Field(default=16_000, ge=1, description="Minimum sample rate in Hz.")
    max_sample_rate: int | None = Field(default=None, ge=1, description="Maximum sample rate in Hz.")
    min_channels: int | None = Field(default=None, ge=1, description="Minimum number of channels.")
    max_channels: int | None = Field(default=None, ge=1, description="Maximum number of channels.")
    min_bits: int | None = Field(default=None, ge=1, description="Minimum number of bits per sample.")

    def measure(self, sound: Sound) -> Mapping[str, float]:
        """What the header states."""
        facts, form = sound.facts, sound.form(self)
        values = {"sample_rate": form.rate, "channels": form.channels, "bits": facts.bits or LOSSY_BITS}
        return {name: values[name] for name in self.measured()}

    def measured(self) -> tuple[str, ...]:
        """The sample rate first."""
        return ("sample_rate", "channels", "bits")

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        limits = (
            ("minSampleRate", "sample_rate", self.min_sample_rate, True),
            ("maxSampleRate", "sample_rate", self.max_sample_rate, False),
            ("minChannels", "channels", self.min_channels, True),
            ("maxChannels", "channels", self.max_channels, False),
            ("minBits", "bits", self.min_bits, True),
        )
        return tuple(Bound(name, measure, limit, low) for name, measure, limit, low in limits if limit is not None)
