"""Small pictures of media for people: thumbnails of images, waveforms of audio, key frames of video.

Pictures are data URIs. A value that cannot be decoded, or whose decoder is not installed, has none. Of audio and video, only
the parts that are drawn are read.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.references import TimeSpan
from datajob.media.signatures import kind_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE = 128
"""Maximum width and height of a picture in pixels."""
WIDTH, HEIGHT, LABEL = 160, 48, 12
"""Size of a waveform, and the height of the label below it."""
AUDIO_SECONDS = 60.0
"""Seconds of audio that are drawn."""
MAX_CHARACTERS = 32_000
"""Maximum length of a data URI."""
MAX_IMAGE_BYTES = 16 << 20
"""Larger images are not drawn."""
_HEAD = 64
"""Bytes by which formats are recognized."""


def picture_of(file: MediaFile, span: TimeSpan | None = None) -> str | None:
    """The picture of a file, or of a part of it. Call it in a child process: the file can be malicious."""
    try:
        uri = _drawn(file, span)
    except Exception:  # noqa: BLE001 - decoders raise any exception, and a picture is not needed
        return None
    return uri if uri is not None and len(uri) <= MAX_CHARACTERS else None


def _drawn(file: MediaFile, span: TimeSpan | None) -> str | None:
    kind = kind_of(file.part(0, _HEAD))
    if kind == "image":
        return _thumbnail(file.part(0, file.size)) if file.size <= MAX_IMAGE_BYTES else None
    if kind == "video":
        try:
            return _key_frame(file, span)
        except MediaError as error:
            if error.reason != "noVideo":
                raise
            kind = "audio"  # only audio in a container for video
    return _waveform(file, span) if kind == "audio" else None


def _thumbnail(data: bytes) -> str:
    from datajob.media.image import decode

    return _jpeg(decode(data))


def _jpeg(image: Image) -> str:
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return _uri("image/jpeg", file.getvalue())


def _waveform(file: MediaFile, span: TimeSpan | None) -> str:
    """The minimum and maximum of the samples, column by column, and the duration."""
    import numpy as np

    from datajob.media.audio_stream import facts_of, open_stream

    facts = facts_of(file)
    start, end = span or (0.0, None)
    end = facts.duration if end is None else end
    last = start + AUDIO_SECONDS if end is None else min(end, start + AUDIO_SECONDS)
    with open_stream(file, facts, (start, last)) as stream:
        blocks = [block.mean(axis=1) for block in stream.blocks()]
        rate = stream.form.rate
    samples = np.concatenate(blocks)
    seconds = len(samples) / rate
    label = _duration(seconds)
    if end is None or end - last > 1:
        label = f"first {label}" if end is None else f"first {label} of {_duration(end - start)}"
    return _svg(np.nan_to_num(samples), label)


def _svg(samples: NDArray[np.float32], label: str) -> str:
    import numpy as np

    columns = [np.clip(part, -1, 1) * HEIGHT / 2 for part in np.array_split(samples, WIDTH) if len(part)]
    edges = ((HEIGHT / 2 - part.max(), HEIGHT / 2 - part.min() + 0.5) for part in columns)
    lines = "".join(f"M{x + 0.5} {top:.1f}V{bottom:.1f}" for x, (top, bottom) in enumerate(edges))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + LABEL}">'
        f'<rect width="100%" height="100%" fill="#fff"/><path d="{lines}" stroke="#4b78a8" stroke-width="1"/>'
        f'<text x="{WIDTH - 3}" y="{HEIGHT + LABEL - 3}" text-anchor="end" font-family="sans-serif" font-size="9" '
        f'fill="#5b6670">{label}</text></svg>'
    )
    return _uri("image/svg+xml", svg.encode())


def _duration(seconds: float) -> str:
    """Seconds in words for people, such as 5.8 s, 1:20 min or 2:03:00 h."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def _key_frame(file: MediaFile, span: TimeSpan | None) -> str | None:
    """The first key frame, or the first frame of a part."""
    from PIL import Image

    from datajob.media.video_stream import open_video

    with open_video(file) as stream:
        found = stream.at([span[0]]) if span and span[0] > 0 else stream.frames(keys_only=True)
        frame = next(found, None)
        return None if frame is None else _jpeg(Image.fromarray(frame.rgb(SIDE)))


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
