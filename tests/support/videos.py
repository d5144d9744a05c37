"""Videos for tests: drawn frames, and encoded files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pyarrow as pa

from datajob.errors import plain
from datajob.media.values import media_type
from datajob.operators.base import Batch
from datajob.operators.media.video_steps import VideoFilter

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_BITS = 6


def gray(level: int, width: int = 64, height: int = 48) -> Pixels:
    """A frame of one level."""
    return np.full((height, width, 3), level, np.uint8)


def moving(count: int = 30, width: int = 64, height: int = 48) -> list[Pixels]:
    """A white square that moves over a gradient."""
    frames = []
    for number in range(count):
        frame = np.repeat(np.linspace(40, 160, width).astype(np.uint8)[None, :, None], height, 0).repeat(3, 2)
        left = 2 * number % (width - 16)
        frame[8:24, left : left + 16] = 255
        frames.append(frame)
    return frames


def numbered(count: int = 50, width: int = 64, height: int = 48) -> list[Pixels]:
    """Frames with bars that state their number, which `number_of` reads."""
    frames = []
    for number in range(count):
        frame = gray(128, width, height)
        for bit in range(_BITS):
            frame[8:-8, bit * width // _BITS : (bit + 1) * width // _BITS] = 208 if number >> bit & 1 else 48
        frames.append(frame)
    return frames


def number_of(pixels: Pixels) -> int:
    """The number of a frame of `numbered`."""
    bars = np.array_split(pixels[8:-8], _BITS, axis=1)
    return sum((bar.mean() > 128) << bit for bit, bar in enumerate(bars))


def video(
    frames: Sequence[Pixels],
    kind: str = "mp4",
    codec: str = "mpeg4",
    fps: int = 10,
    gop: int = 10,
    times: Sequence[int] | None = None,
    audio: Any = None,
    pixels: str = "yuv420p",
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    **options: str,
) -> bytes:
    """Frames as a file: mp4, matroska, webm, avi, mpegts. `times` are milliseconds; `audio` are samples at 16 kHz."""
    stream = io.BytesIO()
    settings = options.pop("movflags", None)
    if codec in ("mpeg4", "mpeg2video"):
        options.setdefault("sc_threshold", "1000000000")  # no more key frames than requested
    with av.open(stream, "w", format=kind, options={"movflags": settings} if settings else {}) as container:
        encoder: Any = container.add_stream(codec, rate=fps, options=options)
        encoder.height, encoder.width = frames[0].shape[:2]
        encoder.pix_fmt, encoder.gop_size = pixels, gop
        if pixel_aspect:
            encoder.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            encoder.set_display_rotation(-rotation)
        if times is not None:
            encoder.time_base = encoder.codec_context.time_base = Fraction(1, 1000)
        sound = None if audio is None else container.add_stream("aac", rate=16_000, layout="mono")
        for number, pixels_of in enumerate(frames):
            frame: Any = av.VideoFrame.from_ndarray(pixels_of, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(encoder.encode(frame))
        container.mux(encoder.encode(None))
        if sound is not None:
            add_sound(container, sound, audio)
    return stream.getvalue()


def with_index_first(data: bytes) -> bytes:
    """An MP4 file whose index is in front of its frames."""
    start = data.index(b"moov") - 4
    movie, media = bytearray(data[start:]), data[data.index(b"mdat") - 4 : start]
    head = data[: data.index(b"mdat") - 4]
    table = movie.index(b"stco") + 8
    for number in range(int.from_bytes(movie[table : table + 4], "big")):
        at = table + 4 + 4 * number
        movie[at : at + 4] = (int.from_bytes(movie[at : at + 4], "big") + len(movie)).to_bytes(4, "big")
    return head + bytes(movie) + media


def add_sound(container: Any, sound: Any, samples: Any) -> None:
    """Encode samples at 16 kHz as a track of a container."""
    for start in range(0, len(samples), 1024):
        frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[start : start + 1024].T), "fltp", "mono")
        frame.rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def batch(values: Sequence[Any], **columns: Any) -> Batch:
    """A batch with a column of video: files, or paths."""
    items = [None if value is None else _item(value) for value in values]
    return Batch(pa.table({"video": pa.array(items, media_type()), **columns}))


def _item(value: Any) -> dict[str, Any]:
    return {"bytes": None, "path": value} if isinstance(value, str) else {"bytes": value, "path": None}


def measure(step: VideoFilter, *values: Any) -> list[float]:
    """The first measure of each value; NaN for one that fails."""
    found: list[float] = step.measures(batch(values))[step.measured()[0]].tolist()
    return found


def reasons(step: VideoFilter, *values: Any) -> list[str | None]:
    """Why each value is rejected or fails; None for one that is kept."""
    rows = batch(values)
    verdict = step.keep(rows)
    decided = [None if code == 0 else verdict.reasons[code - 1] for code in verdict.codes.tolist()]
    return [plain(rows.failures[i]).partition(":")[0] if i in rows.failures else reason for i, reason in enumerate(decided)]
