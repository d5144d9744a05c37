"""What videos are compared by: a hash of their packets, or perceptual hashes of their frames."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

from datajob.operators.media.video_steps import VideoSignature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.video_frame import VideoFrame
    from datajob.media.video_types import VideoFacts
    from datajob.operators.media.clips import Clip

HASH_BYTES = 16
PDQ_BYTES = 32
_SHORTER = 512
"""Shorter side of the frames to hash, as for images."""


class PacketsHash(VideoSignature):
    """A hash of the encoded video, without its container and its audio; and its seconds."""

    abstract: ClassVar[bool] = True

    def sign(self, clip: Clip) -> tuple[bytes, float]:
        """Nothing is decoded."""
        from datajob.media.video_stream import open_video

        found = blake2b(digest_size=HASH_BYTES)
        with open_video(clip.reading.file, self.max_pixels) as stream:
            for data in stream.packets(clip.reading.span):
                found.update(data)
        return found.digest(), clip.duration


class FrameHashes(VideoSignature):
    """The PDQ hashes of `fps` frames per second with at least a `quality`, and the seconds of the video."""

    abstract: ClassVar[bool] = True

    fps: float = 1
    quality: int = 50

    def prepare(self) -> None:
        """Load what hashes."""
        from datajob.operators.kernels import area  # noqa: F401

    def meter(self, facts: VideoFacts) -> FrameHasher:
        """Hashes frames."""
        return FrameHasher(self.fps, self.quality)

    def sign(self, clip: Clip) -> tuple[bytes, float]:
        """The hashes, one after the other."""
        return clip.measured(self), clip.duration


class FrameHasher:
    """Hashes chosen frames."""

    def __init__(self, fps: float, quality: int) -> None:
        from datajob.operators.media.video_motion import Samples

        self._samples = Samples(fps)
        self._quality = quality
        self._found = bytearray()

    def add(self, frame: VideoFrame) -> None:
        """Hash the frame, if it is chosen."""
        from datajob.operators.media.hashes import pdq

        if self._samples.includes(frame.time):
            found, quality = pdq(_displayed_luma(frame))
            if quality >= self._quality:
                self._found += found.tobytes()

    def value(self) -> bytes:
        """The hashes."""
        return bytes(self._found)


def _displayed_luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """The luma as displayed, at most `_SHORTER` wide or high, with black 0 and white 255."""
    import numpy as np

    from datajob.operators.kernels.area import reduced

    scale = min(1.0, _SHORTER / min(frame.width, frame.height))
    luma: Any = np.ascontiguousarray(frame.luma)
    if scale < 1:
        luma = reduced(luma, max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    black, white = frame.levels
    if black:
        luma = _full_range(black, white)[luma]
    return np.ascontiguousarray(np.rot90(luma, -frame.rotation // 90))


def _full_range(black: int, white: int) -> Any:
    import numpy as np

    return np.clip(np.rint((np.arange(256) - black) * 255 / (white - black)), 0, 255).astype(np.uint8)


def unique_hashes(prints: list[bytes | None]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The different hashes of each video, and the positions of their videos."""
    import numpy as np

    hashes, rows = [np.zeros((0, PDQ_BYTES), np.uint8)], [np.zeros(0, np.int64)]
    for row, data in enumerate(prints):
        if data:
            found = np.unique(np.frombuffer(data, np.uint8).reshape(-1, PDQ_BYTES), axis=0)
            hashes.append(found)
            rows.append(np.full(len(found), row, np.int64))
    return np.concatenate(hashes), np.concatenate(rows)
