"""mediaInfo: what headers state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from datajob.errors import plain
from datajob.operators.base import Batch
from datajob.operators.image.media_info import MediaInfo
from tests.support.pictures import encoded, photo

CHINA = photo("china")
EXIF = Image.Exif()
EXIF[0x0112] = 6
FRAMES = [CHINA.resize((32, 20)).rotate(9 * i) for i in range(3)]
FILES = {
    "JPEG": (encoded(CHINA, "JPEG", exif=EXIF), (427, 640, "JPEG", "RGB", 1)),
    "PNG": (encoded(CHINA.convert("LA")), (640, 427, "PNG", "LA", 1)),
    "animation": (encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), (32, 20, "WEBP", "RGB", 3)),
    "TIFF": (encoded(CHINA.convert("1"), "TIFF"), (640, 427, "TIFF", "1", 1)),
    "AVIF": (encoded(CHINA.resize((64, 42)), "AVIF"), (64, 42, "AVIF", "RGB", 1)),
}
NAMES = ("width", "height", "format", "mode", "frames")


def facts(batch: Batch, **step: Any) -> list[tuple[Any, ...]]:
    found = MediaInfo(**step).apply(batch)
    return list(zip(*(found.column(step.get("prefix", "") + name).to_pylist() for name in NAMES), strict=True))


def test_the_column_of_the_images_is_not_replaced() -> None:
    for step in ({"column": "width"}, {"column": "a_mode", "prefix": "a_"}):
        with pytest.raises(ValueError, match="`prefix` must make names other than"):
            MediaInfo.model_validate(step)


def test_columns_state_what_the_header_does() -> None:
    batch = Batch(pa.table({"image": [data for data, _ in FILES.values()]}))
    assert facts(batch) == [expected for _, expected in FILES.values()]
    assert not batch.failures
    assert MediaInfo().outputs(("image", "width")) == ("image", "width", "height", "format", "mode", "frames")


def test_images_without_a_header_fail_and_the_others_do_not() -> None:
    good, expected = FILES["JPEG"]
    batch = Batch(pa.table({"image": [b"text", good, None, good[:40], b""]}))
    assert facts(batch, prefix="i_")[1] == expected
    assert {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()} == {
        0: "notAnImage",
        2: "noMedia",
        3: "truncated",
        4: "empty",
    }


def test_lists_have_lists_of_values_and_existing_columns_are_replaced() -> None:
    rows = [[FILES["JPEG"][0], FILES["PNG"][0]], [], None]
    table = MediaInfo().apply(Batch(pa.table({"image": rows, "width": [1, 2, 3], "id": [1, 2, 3]})))
    assert table.column("width").to_pylist() == [[427, 640], [], []]
    assert table.column_names == ["image", "width", "id", "height", "format", "mode", "frames"]


def test_references_are_read(tmp_path: Path) -> None:
    data, expected = FILES["PNG"]
    (tmp_path / "a.png").write_bytes(data)
    assert facts(Batch(pa.table({"image": ["a.png"]})), folder=str(tmp_path)) == [expected]
