"""Headers against Pillow, for files of all kinds and damaged ones."""

import io
import random
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datajob.media.headers import Header, parse
from datajob.media.image import ImageError, read_header
from tests.support.pictures import encoded, photo

SMALL = photo("china").resize((64, 40))
TURNS = [SMALL.rotate(10 * i) for i in range(4)]
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x010F], found[0x0112] = "camera", orientation
    return found


def pillow(data: bytes) -> Header:
    """What Pillow finds in a file."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("ignore")
        turned = image.getexif().get(0x0112, 1)
        frames = getattr(image, "n_frames", 1)
        return Header(*image.size, str(image.format), image.mode, turned if turned in range(1, 9) else 1, frames)


def profile() -> Any:
    from PIL.PngImagePlugin import PngInfo

    info, raw = PngInfo(), exif(8).tobytes()
    info.add_text("Raw profile type exif", f"\nexif\n    {len(raw)}\n{raw.hex()}\n", zip=True)
    return info


FILES = {
    **{f"{kind}, {o}": encoded(SMALL, kind, exif=exif(o)) for kind in ("JPEG", "PNG", "WEBP") for o in (0, 1, 3, 6, 8, 9)},
    **{f"PNG {mode}": encoded(SMALL.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")},
    **{f"{mode} JPEG": encoded(SMALL.convert(mode), "JPEG") for mode in ("L", "CMYK", "YCbCr")},
    **{
        f"{kind} of {len(TURNS)}": encoded(SMALL, kind, save_all=True, append_images=TURNS)
        for kind in ("PNG", "WEBP", "GIF", "MPO")
    },
    **{f"{kind} gray": encoded(SMALL.convert("L"), kind) for kind in ("GIF", "BMP", "TIFF", "WEBP", "AVIF")},
    "16 bits": encoded(Image.fromarray(np.full((4, 4), 9, np.uint16))),
    "progressive": encoded(SMALL, "JPEG", progressive=True),
    "lossless": encoded(SMALL, "WEBP", lossless=True),
    "transparent": encoded(SMALL.convert("RGBA"), "WEBP"),
    "transparent, lossless": encoded(SMALL.convert("RGBA"), "WEBP", lossless=True),
    "JPEG with XMP": encoded(SMALL, "JPEG", xmp=XMP),
    "WebP with XMP": encoded(SMALL, "WEBP", xmp=XMP),
    "PNG of ImageMagick": encoded(SMALL, "PNG", pnginfo=profile()),
    "GIF with a palette": encoded(SMALL.convert("P"), "GIF"),
}
ONLY_PILLOW = {"MPO of 4", "GIF gray", "BMP gray", "TIFF gray", "AVIF gray", "GIF of 4"}


@pytest.mark.parametrize("name", FILES)
def test_a_header_is_that_of_pillow(name: str) -> None:
    assert (found := parse(FILES[name])) is None or found == pillow(FILES[name])
    assert (found is None) == (name in ONLY_PILLOW)
    assert read_header(FILES[name]) == pillow(FILES[name])


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_has_the_header_of_pillow_or_a_reason(name: str) -> None:
    choices = random.Random(name)
    for _ in range(60):
        data = bytearray(FILES[name][: choices.randrange(len(FILES[name]) + 1)])
        for _ in range(choices.randrange(3)):
            if data:
                data[choices.randrange(min(len(data), 200))] = choices.randrange(256)
        try:
            found = read_header(bytes(data))
        except ImageError:
            continue
        assert isinstance(found, Header) and found.width > 0 and found.height > 0
        assert found.orientation in range(1, 9) and found.frames > 0


def test_the_displayed_size_follows_the_orientation() -> None:
    assert [read_header(FILES[f"JPEG, {o}"]).upright for o in (0, 1, 3, 6, 8, 9)] == [(64, 40)] * 3 + [(40, 64)] * 2 + [
        (64, 40)
    ]
    assert read_header(FILES["JPEG with XMP"]).upright == (40, 64)


def test_a_header_of_2_gb_of_zeros_needs_no_memory() -> None:
    import struct
    from zlib import crc32

    start = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + start + struct.pack(">I", crc32(start))
    assert read_header(data) == Header(40_000, 60_000, "PNG", "RGB")
