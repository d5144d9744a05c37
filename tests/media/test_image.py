"""Images of all kinds: rotated, transparent, with palettes, in print colors, with 16 bits, broken."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datajob.operators.media.image import ImageError, decode, size_of

RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    """A 40 x 20 picture, red on the left, stored as a camera held in another way would."""
    image = Image.new("RGB", (40, 20), GREEN)
    image.paste(RED, (0, 0, 20, 20))
    undo = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image.transpose(undo) if undo is not None else image, "PNG", exif=exif)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_image_is_upright_and_its_size_is_known_from_the_header(orientation: int) -> None:
    image = decode(turned(orientation))
    assert image.size == (40, 20)
    assert size_of(turned(orientation)) == (20, 40)
    assert image.getpixel((5, 10)) == RED
    assert image.getpixel((35, 10)) == GREEN


def palette(transparent: bool) -> bytes:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([*RED, *GREEN])
    return encoded(image, **({"transparency": 1} if transparent else {}))


def sixteen(value: int) -> bytes:
    return encoded(Image.fromarray(np.full((4, 4), value, np.uint16)))


COLORS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "RGB": (encoded(Image.new("RGB", (4, 4), RED)), RED),
    "transparent is white": (encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))), WHITE),
    "half transparent": (encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128))), (255, 127, 127)),
    "opaque": (encoded(Image.new("RGBA", (4, 4), (*RED, 255))), RED),
    "grey with alpha": (encoded(Image.new("LA", (4, 4), (0, 0))), WHITE),
    "palette": (palette(False), GREEN),
    "palette with a transparent color": (palette(True), WHITE),
    "one bit": (encoded(Image.new("1", (4, 4), 1)), WHITE),
    "CMYK": (encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), RED),
    "16 bits, middle grey": (sixteen(0x8000), (128, 128, 128)),
    "16 bits, black": (sixteen(0), (0, 0, 0)),
    "floats": (encoded(Image.fromarray(np.full((4, 4), 1.0, np.float32)), "TIFF"), WHITE),
}


@pytest.mark.parametrize("name", COLORS)
def test_colors_are_those_that_a_viewer_shows(name: str) -> None:
    data, color = COLORS[name]
    image = decode(data)
    assert image.mode == "RGB"
    assert image.getpixel((1, 1)) == color


def test_print_colors_of_a_jpeg_are_not_inverted() -> None:
    image = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    r, g, b = image.getpixel((8, 8))  # type: ignore[misc]
    assert r > 240 and g < 15 and b < 15


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in (RED, GREEN)]
    assert decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).getpixel((1, 1)) == RED


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_narrow_images_are_supported(size: tuple[int, int]) -> None:
    assert decode(encoded(Image.new("RGB", size, RED))).size == size


def test_an_image_is_bytes_a_path_a_mapping_or_pixels(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (6, 4), RED))
    (tmp_path / "a.png").write_bytes(data)
    path = str(tmp_path / "a.png")
    pixels = np.asarray(decode(data))
    for value in (data, path, f"file://{path}", {"bytes": data, "path": None}, {"bytes": None, "path": path}, pixels):
        assert decode(value).getpixel((3, 3)) == RED
        assert size_of(value) == (4, 6)
    assert decode("a.png", folder=str(tmp_path)).size == (6, 4)
    assert decode(pixels.tolist()).size == (6, 4)
    assert decode(pixels[:, :, 0]).getpixel((0, 0)) == WHITE


GOOD = encoded(Image.effect_noise((64, 64), 50), "PNG")
BAD: dict[str, tuple[Any, str]] = {
    "null": (None, "the row has no image"),
    "empty": (b"", "the image is empty"),
    "text": (b"hello, world", "notAnImage: the file cannot be decoded"),
    "truncated": (GOOD[: len(GOOD) // 2], "(truncated|damaged): the image cannot be decoded"),
    "a file that is not there": ("/nowhere/a.png", "/nowhere/a.png: cannot be read: it does not exist"),
    "a number": (3, "a value of type int is not an image"),
    "pixels of two channels": (np.zeros((3, 3, 2), np.uint8), "pixels of shape"),
    "no pixels": (np.zeros((0, 3, 3), np.uint8), "pixels of shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_invalid_image_has_a_clear_reason(name: str) -> None:
    value, reason = BAD[name]
    with pytest.raises(ImageError, match=reason):
        decode(value)


def test_an_image_above_the_limit_is_rejected_by_its_header() -> None:
    data = encoded(Image.new("1", (20_000, 20_000)))
    with pytest.raises(ImageError, match="20000 x 20000 pixels; `maxPixels` allows 100,000,000"):
        decode(data)
    assert size_of(data, max_pixels=500_000_000) == (20_000, 20_000)
