"""imageDedup: which images are duplicates, and which of them are kept."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.errors import DataJobError
from datajob.media.picture import Need, Picture
from datajob.operators.base import Batch
from datajob.operators.dedup.image_dedup import ImageDedup
from datajob.operators.image.resize_image import ResizeImage
from datajob.operators.image.sharpness import Sharpness
from datajob.operators.media.sections import Section, sections
from datajob.operators.media.steps import PixelFilter
from tests.support.local_jobs import make_job, read_glob, read_manifest, run, write_parts
from tests.support.pictures import PHOTOS, encoded, photo

SIDE = 240
NEAREST = Image.Resampling.NEAREST
CHANGES: dict[str, Any] = {
    "quality 60": lambda image: encoded(image, "JPEG", quality=60),
    "half size": lambda image: encoded(image.resize((SIDE // 2, SIDE // 2)), "PNG"),
    "cropped": lambda image: encoded(image.crop((2, 2, SIDE - 3, SIDE - 3)), "JPEG", quality=90),
}


@cache
def originals() -> list[Image.Image]:
    """Different parts of photos."""
    random = np.random.default_rng(2)
    places = [(name, *random.integers(0, 180, 2).tolist()) for name in PHOTOS for _ in range(4)]
    return [photo(name).crop((x, y, x + SIDE, y + SIDE)) for name, x, y in places]


def job(
    tmp_path: Path, rows: list[dict[str, Any]], step: dict[str, Any], parts: int = 3, shard_bytes: int = 10**6
) -> list[Any]:
    """The ids of the rows that are left."""
    write_parts(tmp_path / "in", rows, parts)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"imageDedup": step}]), shard_bytes=shard_bytes)
    return [row["id"] for row in read_manifest(tmp_path / "out")]


@pytest.mark.parametrize(("method", "distance", "cropped"), [("phash", 8, 0.5), ("dhash", 10, 0.7), ("pdq", 60, 0.5)])
def test_changed_photos_are_found_in_other_files_and_others_are_kept(
    method: str, distance: int, cropped: float, tmp_path: Path
) -> None:
    rows = [{"id": f"{i}", "image": encoded(image, "JPEG", quality=95)} for i, image in enumerate(originals())]
    rows += [
        {"id": f"{i} {name}", "image": make(image)} for name, make in CHANGES.items() for i, image in enumerate(originals())
    ]
    kept = job(tmp_path, rows, {"method": method, "distance": distance}, parts=5, shard_bytes=100_000)
    found = {name: 1 - sum(name in row for row in kept) / len(originals()) for name in CHANGES}
    assert [row for row in kept if " " not in row] == [f"{i}" for i in range(len(originals()))]
    assert (found["quality 60"], found["half size"]) == (1, 1)
    assert found["cropped"] >= cropped


CHAIN = [0, 3, 6, 9, None]
"""Numbers of exchanged pixels: each picture is near those with up to 3 more. The last one is another picture."""


def blocks(exchanged: int | None) -> bytes:
    """A picture with darker pixels to the right; each exchange of two neighbors changes one bit of its dHash."""
    levels = np.tile(240 - np.arange(9) * 26, (8, 1)).astype(np.uint8)
    for i in range(exchanged or 0):
        left = 2 * (i % 4)
        levels[i // 4, [left, left + 1]] = levels[i // 4, [left + 1, left]]
    return encoded(Image.fromarray(levels if exchanged is not None else levels[:, ::-1].copy()).resize((288, 256), NEAREST))


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        ({}, [0, 4]),
        ({"grouping": "firstCome"}, [0, 2, 4]),
        ({"keep": "best", "by": "score"}, [2, 4]),
        ({"keep": "best", "by": "score", "grouping": "firstCome"}, [0, 2, 4]),
        ({"keep": "largest"}, [1, 4]),
        ({"distance": 0}, [0, 1, 2, 3, 4]),
    ],
)
def test_the_preference_and_the_grouping_decide_what_is_kept(step: dict[str, Any], kept: list[int], tmp_path: Path) -> None:
    images = [blocks(n) for n in CHAIN]
    with Image.open(io.BytesIO(images[1])) as second:
        images[1] = encoded(second.resize((432, 384), NEAREST))
    rows = [{"id": i, "image": image, "score": [1, None, 7, 2, 0][i]} for i, image in enumerate(images)]
    assert job(tmp_path, rows, {"method": "dhash", "distance": 3, **step}) == kept


@pytest.mark.parametrize("step", [{}, {"keep": "largest"}, {"grouping": "firstCome"}])
def test_an_existing_corpus_is_preferred(step: dict[str, Any], tmp_path: Path) -> None:
    images = [encoded(image, "JPEG", quality=95) for image in originals()[:3]]
    write_parts(tmp_path / "old", [{"image": CHANGES["half size"](originals()[1])}], 1)
    rows = [{"id": i, "image": image} for i, image in enumerate(images)]
    assert job(tmp_path, rows, {"distance": 8, "against": str(tmp_path / "old"), **step}) == [0, 2]


def test_numbers_that_cannot_be_compared_exactly_fail_alone(tmp_path: Path) -> None:
    scores = [2**53 + 1, 2**53 + 2, 5, 7]
    write_parts(tmp_path / "in", [{"image": blocks(0), "score": score} for score in scores], 2)
    step = {"imageDedup": {"keep": "best", "by": "score"}}
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step], errors=errors))
    assert [row["score"] for row in read_manifest(tmp_path / "out")] == [7]
    assert (report.progress.rows_failed, report.progress.rows_rejected) == (2, 1)
    (reason, *_) = {row["_error"] for row in read_glob(tmp_path / "bad")}
    assert reason.startswith("notExact: the integer in `score`")


def test_images_that_cannot_be_decoded_fail_alone(tmp_path: Path) -> None:
    good = encoded(originals()[0])
    values = [good, b"", None, b"text", good[:900], good]
    write_parts(tmp_path / "in", [{"id": i, "image": value} for i, value in enumerate(values)], 1)
    report = run(make_job(tmp_path / "in", tmp_path / "out", [{"imageDedup": {}}], errors={"policy": "drop"}))
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [0]
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (6, 1, 4)


def test_images_without_structure_have_no_pdq_hash_and_are_kept(tmp_path: Path) -> None:
    rows = [{"id": i, "image": encoded(Image.new("RGB", (100, 100), "white"))} for i in range(3)]
    assert job(tmp_path, rows, {"method": "pdq"}) == [0, 1, 2]
    assert job(tmp_path / "phash", rows, {"method": "phash"}) == [0]


class Colors(PixelFilter):
    """Needs colors, as `textArea` does."""

    def needs(self) -> tuple[Need, ...]:
        return (Need("rgb", longer=640),)

    def measure(self, picture: Picture) -> float:
        return float(picture.pixels(*self.needs()).mean())


@pytest.mark.parametrize("before", [(), (Sharpness(min=0),), (Colors(),)], ids=["alone", "gray", "colors"])
@pytest.mark.parametrize("method", ["phash", "dhash"])
def test_the_hash_of_a_file_is_near_that_of_imagehash(method: str, before: tuple[Any, ...]) -> None:
    import imagehash

    for image in originals()[:: 3 if before else 1]:
        data = encoded(image.resize((2000, 1700)), "JPEG", quality=90)
        step = ImageDedup(method=method)
        table = pa.table({"image": [data]})
        if before:
            verdict = Section((*before, step.signing())).run(Batch(table)).verdict(1, Batch(table))
            table = table.append_column(step.signing_column, verdict.columns[step.signing_column])
        hashes, rows = step._hashes(Batch(table))
        with Image.open(io.BytesIO(data)) as opened:
            theirs = bytes.fromhex(str(getattr(imagehash, method)(opened)))
        assert rows.tolist() == [0]
        assert np.bitwise_count(hashes[0] ^ np.frombuffer(theirs, np.uint8)).sum() <= 2


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"distance": 17}, "at most a quarter of the 64 bits"),
        ({"keep": "best"}, "`by` is the column"),
        ({"by": "score"}, "`by` is the column"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImageDedup.model_validate(step)


@pytest.mark.parametrize("policy", ["drop", "fail"])
def test_hashes_share_the_decode_of_the_steps_before(policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sections: list[list[str]] = []
    original = Section.run

    def recorded(self: Section, batch: Batch) -> Any:
        sections.append([step.key for step in self.steps])
        return original(self, batch)

    monkeypatch.setattr(Section, "run", recorded)
    images = [encoded(image, "JPEG", quality=90) for image in originals()[:6]]
    images += [CHANGES["quality 60"](originals()[0]), *([b"text"] if policy == "drop" else [])]
    write_parts(tmp_path / "in", [{"id": i, "image": image} for i, image in enumerate(images)], 2)
    steps = [
        {"sharpness": {"min": 0}},
        {"brightness": {"max": 1}},
        {"imageDedup": {"keep": "largest"}},
        {"limit": {"count": 9}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": policy}), shard_bytes=20_000)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [0, 1, 2, 3, 4, 5]
    assert set(read_manifest(tmp_path / "out")[0]) == {"id", "image"}
    together = ["sharpness", "brightness", "imageHash"]
    assert together in sections and ["imageHash"] not in sections
    counts = {step.name: (step.rows_in, step.rows_out, sum(step.rejected.values()), step.failed) for step in report.steps}
    assert counts["imageDedup"] == (7, 6, 1, 0)


def test_images_that_only_the_hash_cannot_decode_fail_at_the_deduplication(tmp_path: Path) -> None:
    images = [encoded(image, "JPEG", quality=90) for image in originals()[:3]]
    images.append(encoded(originals()[3].resize((480, 480)), "PNG"))
    write_parts(tmp_path / "in", [{"id": i, "image": image} for i, image in enumerate(images)], 1)
    steps = [{"sharpness": {"min": 0}}, {"imageDedup": {"maxPixels": 240 * 240}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}))
    found = report.steps[2]
    assert (found.rows_in, found.rows_out, found.failed) == (4, 3, 1)
    with pytest.raises(DataJobError, match=r"Step imageDedup .*tooManyPixels.*It is row 4 of those that reach the step"):
        run(make_job(tmp_path / "in", tmp_path / "other", steps))


@pytest.mark.parametrize("step", [{"grouping": "firstCome"}, {"against": "old/*.parquet"}, {}])
def test_hashes_that_are_compared_with_those_of_other_rows_have_a_decode_of_their_own(step: dict[str, Any]) -> None:
    assert sections([Sharpness(), ImageDedup(**step).signing()]) == ([(0, 1), (1, 2)] if step else [(0, 2)])
    assert sections([Sharpness(), ResizeImage(side=9), ImageDedup().signing()]) == [(0, 2), (2, 3)]
