"""clipSimilarity compares images with texts, row by row or across the whole input."""

from __future__ import annotations

import random
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.inference.clip_similarity import ClipSimilarity
from tests.operators.inference.conftest import Ask
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.models.plain_images import TEXTS, image_embedding, pictures, text_embedding

CHINA, FLOWER, FACE = (pictures()[name] for name in ("china", "flower", "face"))


def cosine(folder: Path, image: bytes, text: str) -> float:
    return float(image_embedding(folder, image) @ text_embedding(folder, text))


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_similarities_are_the_cosines_of_transformers(kind: str, ask: Ask, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    rows = [{"image": data, "text": text} for data in pictures().values() for text in TEXTS[:3]]
    rows.append({"image": CHINA, "text": "a photo of cat and dog " * 30})
    found, failed = ask(ClipSimilarity(model=str(folder), output="similarity"), rows)
    assert not failed
    for row, values in zip(found, rows, strict=True):
        assert row["similarity"] == pytest.approx(cosine(folder, values["image"], values["text"]), abs=0.02)


def test_the_most_similar_of_several_texts_counts_and_placeholders_do_not(clip: Path, ask: Ask) -> None:
    texts = ["temple", None, "the red flower"]
    rows = [{"image": [CHINA, FACE], "text": texts}, {"image": [CHINA, FACE], "text": ["<image> temple <image>"]}]
    found, _ = ask(ClipSimilarity(model=str(clip), output="s"), rows)
    expected = [[max(cosine(clip, image, t) for t in texts if t) for image in (CHINA, FACE)]]
    expected.append([cosine(clip, image, "temple") for image in (CHINA, FACE)])
    np.testing.assert_allclose([row["s"] for row in found], expected, atol=0.02)


def test_rows_without_a_text_fail(clip: Path, ask: Ask) -> None:
    rows = [{"image": CHINA, "text": text} for text in (None, "", "  ", "<image>", "temple")]
    _, failed = ask(ClipSimilarity(model=str(clip)), rows)
    assert failed == dict.fromkeys(range(4), "noText: the row has no text")


def test_a_model_without_texts_is_refused(dinov2: Path, ask: Ask) -> None:
    with pytest.raises(InvalidJob, match="compares no texts"):
        ask(ClipSimilarity(model=str(dinov2)), [{"image": CHINA, "text": "temple"}])


def test_each_keeps_the_images_that_fit_the_text(clip: Path, tmp_path: Path) -> None:
    scores = {name: cosine(clip, pictures()[name], "temple") for name in ("china", "face", "flower")}
    low, middle, high = sorted(scores, key=lambda name: scores[name])
    limit = (scores[low] + scores[middle]) / 2
    assert scores[middle] - scores[low] > 0.01
    rows = [{"images": [pictures()[low], pictures()[high]], "text": "<image>\ntemple <image>"}]
    write_parts(tmp_path / "in", rows, 1)
    step = {"clipSimilarity": {"column": "images", "model": str(clip), "min": limit, "keep": "each", "placeholders": "text"}}
    run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    assert read_manifest(tmp_path / "out") == [{"images": [pictures()[high]], "text": "temple <image>"}]


def test_top_keeps_an_exact_fraction_however_the_input_is_split(clip: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    images = list(pictures().values())
    words = ["a", "photo", "of", "cat", "dog", "flower", "temple", "dark", "bright", "small", "red", "green"]
    rows: list[dict[str, Any]] = [
        {"id": i, "image": chance.choice(images), "caption": " ".join(chance.choices(words, k=chance.randrange(1, 9)))}
        for i in range(chance.randrange(30, 60))
    ]
    for row in chance.sample(rows, 3):
        row["caption"] = None
    scores: list[dict[int, float]] = []
    for parts, shard_bytes in ((1, 1 << 30), (5, 200_000)):
        folder = tmp_path / f"{parts}"
        write_parts(folder / "in", rows, parts)
        step = {"clipSimilarity": {"model": str(clip), "text": "caption", "top": 0.3}}
        spec = {"errors": {"policy": "drop", "maxRatio": 1}}
        everything = {"clipSimilarity": {"model": str(clip), "text": "caption", "min": -1, "output": "s"}}
        run(make_job(folder / "in", folder / "all", [everything], **spec), shard_bytes=shard_bytes)
        ranked = sorted(read_manifest(folder / "all"), key=lambda row: (-row["s"], row["id"]))
        expected = ranked[: ceil(0.3 * len(ranked))]
        report = run(make_job(folder / "in", folder / "out", [step], **spec), shard_bytes=shard_bytes)
        found = read_manifest(folder / "out")
        scores.append({row["id"]: row["clipSimilarity"] for row in found})
        assert len(found) == len(expected)
        worst = expected[-1]["s"]
        assert all(row["clipSimilarity"] >= worst - 1e-5 for row in found)
        assert {row["id"] for row in expected if row["s"] > worst + 1e-5} <= set(scores[-1])
        assert [row["id"] for row in found] == sorted(row["id"] for row in found), "rows keep their order"
        top = next(s for s in report.steps if s.name == "clipSimilarity-top")
        assert top.rejected == {"top": len(ranked) - len(found)}
        assert report.progress.rows_failed == 3
    assert scores[0].keys() == scores[1].keys()


@pytest.mark.parametrize(("keep", "best"), [("any", max), ("all", min)])
def test_top_of_lists_counts_the_best_or_the_worst_image(keep: str, best: Any, clip: Path, tmp_path: Path) -> None:
    lists = [[CHINA, FACE], [FLOWER], [FACE], [CHINA, FLOWER], []]
    scores = [best(cosine(clip, image, "temple") for image in images) for images in lists[:4]]
    images = pa.array(lists, pa.list_(pa.binary()))
    (tmp_path / "in").mkdir()
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"image": images, "text": ["temple"] * 5, "id": range(5)}), tmp_path / "in" / "a.parquet")
    step = {"clipSimilarity": {"model": str(clip), "top": 0.25, "keep": keep, "output": "s"}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    [row] = read_manifest(tmp_path / "out")
    assert scores[row["id"]] == pytest.approx(max(scores), abs=0.02)
    assert report.steps[2].rejected == {"top": 3, "no_value": 1}


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"top": 0.3, "min": 0.1}, "cannot be combined with `min`"),
        ({"top": 0.3, "keep": "each"}, "cannot be combined with `keep: each`"),
        ({"top": 30}, "less than or equal to 1"),
        ({"min": 2}, "less than or equal to 1"),
    ],
)
def test_contradicting_limits_are_refused(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ClipSimilarity.model_validate(step)
    assert ClipSimilarity.model_validate({"top": 0.3, "min": None}).bounds() == ()
