"""Small pictures of media for people: thumbnails of images, waveforms of audio, key frames of video.

Pictures are data URIs. A value that cannot be decoded, or whose decoder is not installed, has none.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from datajob.media.signatures import kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
"""Maximum width and height of a picture in pixels."""
WIDTH, HEIGHT = 160, 48
"""Size of a waveform."""
AUDIO_SECONDS = 60
"""Seconds of audio that are drawn."""
MAX_CHARACTERS = 32_000
"""Maximum length of a data URI."""


def picture_of(item: tuple[memoryview, ...]) -> str | None:
    """The picture of an encoded value. Call it in a child process: the value can be malicious."""
    (data,) = item
    draw = {"image": _thumbnail, "audio": _waveform, "video": _key_frame}.get(kind_of(data) or "")
    try:
        uri = draw(bytes(data)) if draw is not None else None
    except Exception:  # noqa: BLE001 - decoders raise any exception, and a picture is not needed
        return None
    return uri if uri is not None and len(uri) <= MAX_CHARACTERS else None


def _thumbnail(data: bytes) -> str:
    from datajob.media.image import decode

    return _jpeg(decode(data))


def _jpeg(image: Image) -> str:
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return _uri("image/jpeg", file.getvalue())


def _waveform(data: bytes) -> str:
    """The minimum and maximum of the samples, column by column."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        frames = min(sound.frames, AUDIO_SECONDS * sound.samplerate)
        samples = sound.read(frames, dtype="float32", always_2d=True).mean(axis=1)
    columns = [np.clip(part, -1, 1) * HEIGHT / 2 for part in np.array_split(np.nan_to_num(samples), WIDTH) if len(part)]
    edges = ((HEIGHT / 2 - part.max(), HEIGHT / 2 - part.min() + 0.5) for part in columns)
    lines = "".join(f"M{x + 0.5} {top:.1f}V{bottom:.1f}" for x, (top, bottom) in enumerate(edges))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<path d="{lines}" stroke="#4b78a8" stroke-width="1"/></svg>'
    )
    return _uri("image/svg+xml", svg.encode())


def _key_frame(data: bytes) -> str | None:
    """The first key frame."""
    from PIL import Image

    from datajob.media.files import MediaFile
    from datajob.media.video_stream import open_video

    with open_video(MediaFile.of(data)) as stream:
        frame = next(stream.frames(keys_only=True), None)
        return None if frame is None else _jpeg(Image.fromarray(frame.rgb(SIDE)))


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
