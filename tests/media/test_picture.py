"""Pictures: what steps see of an image, decoded once at the smallest scale that serves all of them."""

from __future__ import annotations

import io
import random
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from datajob.media import picture as module
from datajob.media.image import ImageError, decode
from datajob.media.picture import Decoded, Edited, Encoding, Need, Picture
from tests.support.pictures import encoded, photo, photo_bytes

GRAY, RGB = Need("gray"), Need("rgb")


def modes() -> dict[str, bytes]:
    """One photo in every way that files store it."""
    source = photo("flower").resize((60, 40))
    alpha = source.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(source.size))
    found = {
        "JPEG": encoded(source, "JPEG"),
        "JPEG, 4:2:0": encoded(source, "JPEG", subsampling="4:2:0"),
        "progressive": encoded(source, "JPEG", progressive=True),
        "gray JPEG": encoded(source.convert("L"), "JPEG"),
        "CMYK": encoded(source.convert("CMYK"), "JPEG"),
        "palette": encoded(source.convert("P"), "PNG"),
        "palette with alpha": encoded(alpha.quantize(), "PNG"),
        "LA": encoded(source.convert("LA"), "PNG"),
        "RGBA": encoded(alpha, "PNG"),
        "1 bit": encoded(source.convert("1"), "PNG"),
        "16 bit": encoded(Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257), "PNG"),
        "GIF": encoded(source, "GIF", save_all=True, append_images=[source.rotate(90)]),
        "WebP": encoded(source, "WEBP", save_all=True, append_images=[source.rotate(90)]),
        "APNG": encoded(source, "PNG", save_all=True, append_images=[source.rotate(90)]),
        "MPO": encoded(source, "MPO", save_all=True, append_images=[source.rotate(90)]),
        "BMP": encoded(source, "BMP"),
        "TIFF": encoded(source, "TIFF"),
        "1 x 40": encoded(source.resize((1, 40)), "JPEG"),
        "40 x 1": encoded(source.resize((40, 1)), "PNG"),
    }
    if "AVIF" in Image.SAVE or Image.registered_extensions().get(".avif") in Image.SAVE:
        found["AVIF"] = encoded(source, "AVIF")
    return found


MODES = modes()


@pytest.mark.parametrize("name", MODES)
def test_pixels_are_those_of_the_reference_decoder(name: str) -> None:
    expected = np.asarray(decode(MODES[name]))
    found = Picture(MODES[name], [GRAY, RGB])
    assert (found.height, found.width) == expected.shape[:2]
    assert found.frames == (2 if name in ("GIF", "WebP", "APNG", "MPO") else 1)
    assert np.array_equal(found.pixels(RGB), expected)
    assert np.array_equal(found.pixels(GRAY), np.asarray(Image.fromarray(expected).convert("L")))
    alone = Picture(MODES[name], [GRAY]).pixels(GRAY)  # of a JPEG, before colors are clipped
    assert np.abs(alone.astype(int) - found.pixels(GRAY)).mean() < 1


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo("china").resize((64, 48)), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    reduced = Need("gray", longer=16)
    found = Picture(data, [RGB, reduced])
    assert np.array_equal(found.pixels(RGB), expected)
    assert found.pixels(reduced).shape == ((16, 12) if orientation in (5, 6, 7, 8) else (12, 16))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF"])
def test_an_image_of_another_size_than_its_header_states_fails(kind: str) -> None:
    found = Picture(encoded(photo("china").resize((64, 48)), kind), [RGB])
    found.header = found.header._replace(width=65)
    with pytest.raises(ImageError, match="the header states 65 x 48 pixels, but the decoded image has 64 x 48"):
        found.pixels(RGB)


@pytest.mark.parametrize("name", ["china", "flower", "face"])
def test_an_exact_need_is_reduced_from_the_full_size_regardless_of_other_needs(name: str) -> None:
    exact = Need("gray", longer=128, exact=True)
    gray = cv2.imdecode(np.frombuffer(photo_bytes(name), np.uint8), cv2.IMREAD_GRAYSCALE)
    scale = 128 / max(gray.shape)
    expected = cv2.resize(gray, (round(gray.shape[1] * scale), round(gray.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    for others in ([], [RGB], [Need("rgb", longer=32)], [Need("gray", shorter=16)]):
        found = Picture(photo_bytes(name), [*others, exact])
        assert all(found.pixels(need) is not None for need in others)
        assert np.array_equal(found.pixels(exact), expected)


def test_needs_of_the_same_size_share_one_reduction() -> None:
    exact, means = Need("gray", longer=128, exact=True), Need("gray", longer=128)
    found = Picture(photo_bytes("china"), [means, exact, Need("rgb", longer=128)])
    assert found.pixels(means) is found.pixels(exact)
    edited = Edited(np.asarray(photo("china")), Encoding())
    assert edited.pixels(means) is edited.pixels(exact)
    assert edited.pixels(means) is not edited.pixels(Need("rgb", longer=128))


def test_the_decoder_reduces_to_the_smallest_scale_that_serves_all_needs() -> None:
    data = encoded(photo("china").resize((1600, 1200)), "JPEG")
    for needs, width in [
        ([Need("gray", longer=200)], 200),
        ([Need("gray", longer=201)], 400),
        ([Need("gray", longer=64), Need("gray", shorter=300)], 400),
        ([Need("rgb", longer=64), Need("gray", longer=800)], 800),
        ([Need("rgb", longer=64), Need("gray", longer=5000)], 1600),
    ]:
        found = Picture(data, needs)
        assert [found.pixels(need).shape[:2] for need in needs] == [need.size(1600, 1200)[::-1] for need in needs]
        [base] = found._bases.values()
        assert base.shape[1] in (width, min(1600, width * 2))  # decoders also have scales such as 3/8
        assert base.shape[1] >= max(need.size(1600, 1200)[0] for need in needs)


def test_scales_of_decoders_hardly_change_small_pictures() -> None:
    need = Need("gray", longer=64)
    for name in ("china", "flower", "face"):
        reduced = Picture(photo_bytes(name), [need]).pixels(need).astype(int)
        whole = Picture(photo_bytes(name), [need, GRAY]).pixels(need).astype(int)
        assert abs(reduced.mean() - whole.mean()) < 1.0
        assert np.abs(reduced - whole).mean() < 8.0


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3, 2), (5000, 1), (17, 9)], ids=str)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_side_is_never_zero_and_never_enlarged(size: tuple[int, int], kind: str) -> None:
    needs = [Need(color, **side) for color in ("gray", "rgb") for side in ({"longer": 8}, {"shorter": 8}, {})]  # type: ignore[arg-type]
    found = Picture(encoded(Image.new("RGB", size, "teal"), kind), needs)
    for need in needs:
        height, width = found.pixels(need).shape[:2]
        assert 1 <= width <= size[0] and 1 <= height <= size[1]


def test_a_need_that_no_step_declared_is_an_error() -> None:
    with pytest.raises(ValueError, match="did not declare"):
        Picture(photo_bytes("china"), [GRAY]).pixels(RGB)


@pytest.mark.parametrize("name", [name for name in MODES if "JPEG" in name or name in ("progressive", "CMYK", "RGBA")])
def test_a_file_that_ends_early_or_is_damaged_is_refused_or_is_what_pillow_decodes(name: str) -> None:
    choices = random.Random(1)
    for _ in range(40):
        data = bytearray(MODES[name])
        if choices.random() < 0.5:
            data = data[: choices.randrange(1, len(data))]
        for _ in range(choices.randrange(4)):
            data[choices.randrange(len(data))] = choices.randrange(256)
        try:
            expected = np.asarray(decode(bytes(data)))
        except ImageError:
            expected = None
        try:
            found = Picture(bytes(data), [RGB]).pixels(RGB)
        except ImageError:
            assert expected is None
        else:  # a strict decoder never accepts what Pillow refuses
            assert expected is not None and found.shape == expected.shape


def test_pixels_are_written_in_the_format_of_the_step() -> None:
    pixels = np.asarray(photo("china").resize((40, 30)))
    for kind in ("JPEG", "PNG", "WEBP"):
        edited = Edited(pixels, Encoding(kind))
        opened = Image.open(io.BytesIO(edited.file()))
        assert (opened.format, opened.size, edited.format, edited.width) == (kind, (40, 30), kind, 40)
        assert edited.pixels(Need("gray", longer=20)).shape == (15, 20)


def test_nothing_is_decoded_to_read_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(module, "_decode_any", refuse)
    monkeypatch.setattr(module, "_decode_jpeg", refuse)
    for data in MODES.values():
        found = Picture(data, [RGB])
        assert found.width and found.height and found.format and found.mode


def test_the_decoded_images_of_a_row_use_bounded_memory() -> None:
    data, need = photo_bytes("china"), Need("rgb")
    alone = Picture(data, [need]).pixels(need)
    decoded = Decoded(limit=3 * alone.nbytes)
    row = [Picture(data, [need, GRAY], decoded=decoded) for _ in range(8)]
    for _ in range(2):
        for picture in row:
            assert (picture.pixels(need) == alone).all()
            assert sum(one.decoded_bytes for one in row) <= 3 * alone.nbytes
    assert (row[0].pixels(GRAY) == row[1].pixels(GRAY)).all()
    tiny = Decoded(limit=1)
    assert (Picture(data, [need], decoded=tiny).pixels(need) == alone).all()
