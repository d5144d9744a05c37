"""Every kind of bad image has a defined result: a reason of one word for its row, or pixels."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from datajob.errors import plain
from datajob.media.isolation import runner
from datajob.operators.base import Batch
from datajob.operators.image.sharpness import Sharpness
from tests.support.image_steps import Mean
from tests.support.pictures import encoded, photo


def png(width: int, height: int, data: bytes | None = None) -> bytes:
    """A PNG with this header, and few or no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data or zlib.compress(bytes(1000)))]
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header states another size."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def with_exif(content: bytes) -> bytes:
    """A JPEG with this EXIF segment."""
    data = encoded(photo("china").resize((32, 24)), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 8) + b"Exif\0\0" + content
    return data[:2] + segment + data[2:]


@cache
def inputs() -> dict[str, tuple[Any, str | None]]:
    """Each input, with its reason; None if it has pixels."""
    photo_jpeg, photo_png = encoded(photo("china"), "JPEG"), encoded(photo("china"), "PNG")
    small = photo("china").resize((32, 24))
    return {
        "null": (None, "noMedia"),
        "zero bytes": (b"", "empty"),
        "text": (b"hello, world", "notAnImage"),
        "zeros": (bytes(1000), "notAnImage"),
        "truncated JPEG": (photo_jpeg[: len(photo_jpeg) // 2], "truncated"),
        "truncated PNG": (photo_png[: len(photo_png) // 2], "truncated"),
        "JPEG without its last bytes": (photo_jpeg[:-200], "truncated"),
        "header of a JPEG": (photo_jpeg[:300], "notAnImage|damaged|truncated"),
        "only a start marker": (b"\xff\xd8\xff", "notAnImage|damaged|truncated"),
        "20,000 x 20,000": (png(20_000, 20_000), "tooManyPixels"),
        "2 GB of zeros": (png(46_000, 46_000), "tooManyPixels"),
        "largest PNG": (png((1 << 31) - 1, (1 << 31) - 1), "tooManyPixels"),
        "65,500 high": (jpeg(3000, 65_500), "tooManyPixels"),
        "largest JPEG": (jpeg(65_500, 65_500), "tooManyPixels"),
        "less data than the header states": (png(3000, 3000), "truncated|damaged"),
        "more data than the header states": (png(10, 10, zlib.compress(bytes(50_000_000))), None),
        "no pixels": (png(0, 10), "notAnImage|damaged"),
        "a chunk of 2 GB": (png(8, 8)[:33] + struct.pack(">I", (1 << 31) - 1) + b"tEXt" + bytes(100), "truncated|damaged"),
        "broken EXIF": (with_exif(b"II*\0\xff\xff\xff\xff" + bytes(50)), None),
        "EXIF of garbage": (with_exif(bytes(range(200))), None),
        "HEIC": (b"\0\0\0\x18ftypheic" + bytes(100), "unsupportedFormat"),
        "PDF": (b"%PDF-1.7\n" + bytes(100), "unsupportedFormat"),
        "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + bytes(100), "unsupportedFormat"),
        "FITS": (b"SIMPLE  =                    T" + bytes(2880), "unsupportedFormat"),
        "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100), "unsupportedFormat"),
        "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupportedFormat"),
        "ICO": (encoded(small, "ICO"), "unsupportedFormat"),
        "PPM": (encoded(small, "PPM"), "unsupportedFormat"),
        "1 x 1": (encoded(Image.new("1", (1, 1)), "PNG"), None),
        "1 x 4,000": (encoded(Image.new("L", (1, 4000)), "JPEG"), None),
        "CMYK": (encoded(small.convert("CMYK"), "JPEG"), None),
    }


@pytest.fixture(scope="module")
def results() -> dict[str, str | None]:
    """The reason of each input, all in one batch: none affects the others."""
    names = list(inputs())
    batch = Batch(pa.table({"image": pa.array([inputs()[name][0] for name in names], pa.binary())}))
    Mean(output="mean").keep(batch)
    return {name: plain(batch.failures.get(row, "")).partition(":")[0] or None for row, name in enumerate(names)}


@pytest.mark.parametrize("name", inputs())
def test_a_bad_image_has_a_reason(name: str, results: dict[str, str | None]) -> None:
    expected = inputs()[name][1]
    assert results[name] == expected if expected is None else results[name] in expected.split("|")


def test_no_decoder_needed_a_new_process(results: dict[str, str | None]) -> None:
    pid = runner.child_pid()
    Mean().keep(Batch(pa.table({"image": [encoded(photo("china"), "JPEG")]})))
    assert runner.child_pid() == pid


def test_a_reference_that_cannot_be_read_fails_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(photo("china"), "PNG"))
    paths = ["a.png", "b.png", "../a.png", None, "a.png#bytes=0,100", "a.png#bytes=x"]
    batch = Batch(pa.table({"image": pa.array(paths)}))
    Mean(folder=str(tmp_path)).keep(batch)
    reasons = {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()}
    assert reasons.pop(4) in ("damaged", "truncated")
    assert reasons == {1: "notFound", 2: "outsideFolder", 3: "noMedia", 5: "badReference"}


def test_libraries_are_loaded_before_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "DEFAULT", runner.Limits(memory=64 << 20))
    batch = Batch(pa.table({"image": [encoded(photo("china"), "JPEG")]}))
    Sharpness(min=0).keep(batch)
    assert batch.failures == {}


def test_a_decoder_that_needs_too_much_memory_fails_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "DEFAULT", runner.Limits(memory=128 << 20))
    data = encoded(Image.new("RGB", (9000, 9000)), "PNG")
    batch = Batch(pa.table({"image": [encoded(photo("china"), "PNG"), data, encoded(photo("china"), "JPEG")]}))
    Sharpness(min=0).keep(batch)
    assert {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()} == {1: "tooLarge"}
