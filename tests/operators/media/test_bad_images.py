"""Every step on images has a defined result for every kind of bad image: a reason of one word, or a value."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from datajob.errors import plain
from datajob.media.isolation import runner
from datajob.operators.base import Batch, Operator
from datajob.operators.dedup._image_hash import ImageArea, ImageHash
from datajob.operators.image.aspect_ratio import AspectRatio
from datajob.operators.image.blank_image import BlankImage
from datajob.operators.image.blur_faces import BlurFaces
from datajob.operators.image.brightness import Brightness
from datajob.operators.image.contrast import Contrast
from datajob.operators.image.convert_image import ConvertImage
from datajob.operators.image.crop_image import CropImage
from datajob.operators.image.entropy import Entropy
from datajob.operators.image.face_area import FaceArea
from datajob.operators.image.face_count import FaceCount
from datajob.operators.image.file_size import FileSize
from datajob.operators.image.image_size import ImageSize
from datajob.operators.image.media_info import MediaInfo
from datajob.operators.image.qr_area import QrArea
from datajob.operators.image.resize_image import ResizeImage
from datajob.operators.image.sharpness import Sharpness
from datajob.operators.image.text_area import TextArea
from datajob.operators.media.steps import ImageFilter, ImageMap, ImageSignature, ImageStep
from datajob.operators.registry import all_operators
from tests.support.bad_images import REFUSED, SMALL, bad_images, rare_images
from tests.support.image_steps import Mean
from tests.support.pictures import encoded, photo

FREE: dict[str, Any] = {"min": None, "max": None, "output": "measure"}
FILTERS: list[ImageFilter] = [
    AspectRatio(**FREE), ImageSize(output="measure"), FileSize(**FREE),
    *(kind(**FREE) for kind in (BlankImage, Brightness, Contrast, Entropy, FaceArea, FaceCount, QrArea, Sharpness, TextArea)),
]  # fmt: skip
MAPS: list[ImageMap] = [
    BlurFaces(), ConvertImage(format="png"), CropImage(box=(0, 0, 9, 9)), ResizeImage(side=8, mode="pad"),
    ResizeImage(side=8, mode="centerCrop", resample="bicubic", upscale=True),
]  # fmt: skip
SIGNATURES: list[ImageSignature] = [ImageArea(), *(ImageHash(method=method) for method in ("phash", "dhash", "pdq"))]
STEPS: list[Operator] = [*FILTERS, *MAPS, *SIGNATURES, MediaInfo()]


def column(values: list[Any], kind: Any = None) -> Batch:
    return Batch(pa.table({"image": pa.array(values, kind or pa.binary())}))


def result(step: Operator, batch: Batch) -> list[Any]:
    """The value of each row: a measure, a file, a hash, or a width."""
    if isinstance(step, ImageFilter):
        return step.keep(batch).columns["measure"].to_pylist()
    if isinstance(step, ImageSignature):
        return step.signed(batch)
    assert isinstance(step, ImageMap | MediaInfo)
    return step.apply(batch).column("image" if isinstance(step, ImageMap) else "width").to_pylist()


def expected(step: Operator, name: str) -> str | None:
    bad = bad_images()[name]
    if isinstance(step, FileSize):  # counts bytes
        return bad.pixels if not bad.data else None
    return bad.pixels if isinstance(step, ImageStep) and step.needs() else bad.header


def identity(step: Operator) -> str:
    return f"{step.key} {getattr(step, 'method', getattr(step, 'resample', ''))}".strip()


def test_every_step_on_images_is_in_the_table() -> None:
    named = {kind.key for kind in all_operators().values() if issubclass(kind, ImageStep)}
    assert named <= {step.key for step in STEPS}


@pytest.mark.parametrize("step", STEPS, ids=identity)
def test_a_bad_image_has_a_reason_in_every_step(step: Operator) -> None:
    names = list(bad_images())
    batch = column([bad_images()[name].data for name in names])
    result(step, batch)
    found = {name: plain(batch.failures.get(row, "")).partition(":")[0] or None for row, name in enumerate(names)}
    wrong = {name: reason for name, reason in found.items() if str(reason) not in str(expected(step, name)).split("|")}
    assert not wrong


@pytest.mark.parametrize("step", STEPS, ids=identity)
def test_the_rows_of_a_column_of_nulls_fail_in_every_step(step: Operator) -> None:
    batch = column([None, None], pa.null())
    assert result(step, batch) == [None, None]
    assert {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()} == {0: "noMedia", 1: "noMedia"}


@pytest.mark.parametrize("step", STEPS, ids=identity)
def test_a_rare_image_has_a_value_in_every_step(step: Operator) -> None:
    batch = column(list(rare_images().values()))
    found = dict(zip(rare_images(), result(step, batch), strict=True))
    assert batch.failures == {}
    for name, value in found.items():
        if isinstance(step, ImageMap):
            with warnings.catch_warnings(), Image.open(io.BytesIO(value)) as image:
                warnings.simplefilter("ignore")  # broken EXIF of an unchanged file
                image.load()
                assert image.mode == "RGB" or value == rare_images()[name], name
        else:
            assert value is not None and np.all(np.isfinite(list(value) if isinstance(value, bytes) else value)), name


def test_the_same_picture_has_the_same_brightness_in_every_kind_of_file() -> None:
    found = dict(zip(rare_images(), result(Brightness(**FREE), column(list(rare_images().values()))), strict=True))
    mean = np.asarray(SMALL.convert("L")).mean() / 255
    halves = {"palette with alpha", "gray with alpha", "transparent WebP"}  # on white
    others = {name for name in found if name[0].isdigit() or "header states" in name} - {"1 bit"} | {"YCCK"}
    for name in found.keys() - others:
        assert found[name] == pytest.approx((1 + mean) / 2 if name in halves else mean, abs=0.02), name
    assert found["16 bits, gray"] == pytest.approx(128 / 255)


@pytest.mark.parametrize("keep", ["any", "all", "each"])
@pytest.mark.parametrize("step", FILTERS, ids=identity)
def test_one_bad_image_of_a_list_fails_the_row_or_is_removed(step: ImageFilter, keep: Any) -> None:
    good, bad = encoded(SMALL, "JPEG"), b"\xff\xd8\xff"
    rows = [[good, good], [good, bad, None, good], [], None, [None]]
    batch = column(rows, pa.list_(pa.binary()))
    verdict = step.model_copy(update={"keep_if": keep}).keep(batch)
    images, measures = verdict.columns.get("image", batch.array("image")).to_pylist(), verdict.columns["measure"].to_pylist()
    assert verdict.codes.tolist() == [0] * 5
    assert [None if row is None else len(row) for row in measures[:1] + measures[2:]] == [2, 0, None, 1]
    if isinstance(step, FileSize):  # counts bytes
        assert (batch.failures, images) == ({}, rows)
    elif keep == "each":
        assert (batch.failures, images) == ({}, [[good, good], [good, None, good], [], None, [None]])
        assert [value is None for value in measures[1]] == [False, True, False]
    else:
        assert list(batch.failures) == [1]
        assert plain(batch.failures[1]).partition(":")[0] in REFUSED.split("|")


@pytest.mark.parametrize("step", FILTERS, ids=identity)
def test_two_columns_of_images_are_independent(step: ImageFilter) -> None:
    good, other = encoded(SMALL, "JPEG"), encoded(photo("flower").resize((60, 40)), "PNG")
    batch = Batch(pa.table({"image": [good, None], "second": [other, good]}))
    first, second = (result(step.model_copy(update={"column": name}), batch) for name in ("image", "second"))
    assert first == [*result(step, column([good])), None]
    assert second == result(step, column([other, good]))
    assert {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()} == {1: "noMedia"}


def test_no_decoder_needed_a_new_process() -> None:
    result(Mean(output="measure"), column([encoded(SMALL, "JPEG")]))
    pid = runner.child_pid()
    images = [bad.data for bad in bad_images().values()] + list(rare_images().values())
    result(Mean(output="measure"), column(images))
    assert runner.child_pid() == pid


def test_a_reference_that_cannot_be_read_fails_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(photo("china"), "PNG"))
    (tmp_path / "text.jpg").write_text("hello, world")
    paths = ["a.png", "b.png", "../a.png", None, "a.png#bytes=0,100", "a.png#bytes=x", "text.jpg"]
    batch = Batch(pa.table({"image": pa.array(paths)}))
    Mean(folder=str(tmp_path)).keep(batch)
    reasons = {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()}
    assert reasons.pop(4) in ("damaged", "truncated")
    assert reasons == {1: "notFound", 2: "outsideFolder", 3: "noMedia", 5: "badReference", 6: "notAnImage"}


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
