"""What is known about video."""

from __future__ import annotations

from typing import NamedTuple


class VideoFacts(NamedTuple):
    """What the header of a video file states about its first video track."""

    width: int
    """Pixels as displayed, after the rotation."""
    height: int
    duration: float | None
    """Seconds; None if only the frames tell."""
    fps: float | None
    """Frames per second on average."""
    frame_count: int | None
    rotation: int
    """Degrees by which frames are turned clockwise to be displayed: 0, 90, 180 or 270."""
    has_audio: bool
    codec: str
    """FFmpeg's name, such as `h264`."""
    format: str
    """The container, such as `MP4`."""
    aspect: float
    """Width / height as displayed, which differs from that of the pixels if these are not square."""


def displayed(width: int, height: int, pixel_aspect: float, rotation: int) -> tuple[int, int, float]:
    """Width, height and aspect as displayed, of frames with a size and a width / height of their pixels."""
    aspect = width * (pixel_aspect or 1.0) / height
    return (height, width, 1 / aspect) if rotation in (90, 270) else (width, height, aspect)
