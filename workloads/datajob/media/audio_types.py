"""What is known about audio."""

from __future__ import annotations

from typing import NamedTuple


class AudioFacts(NamedTuple):
    """What the header of an audio file states."""

    duration: float | None
    """Seconds; None if only the decoded samples tell."""
    sample_rate: int
    channels: int
    codec: str
    """FFmpeg's name, such as `mp3`, `flac` or `pcm_s16le`."""
    format: str
    """The container, such as `WAV`."""
    bits: int | None = None
    """Bits per sample of codecs without loss."""


class Form(NamedTuple):
    """The form of decoded samples."""

    rate: int
    channels: int
