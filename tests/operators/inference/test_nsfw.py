"""nsfw decides by the probability of a class; what all filters by a classifier share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.api.report import Report
from datajob.errors import InvalidJob, plain
from datajob.operators.inference.nsfw import Nsfw
from tests.operators.inference.conftest import Ask
from tests.support.bad_images import bad_images, rare_images
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.models.fixtures import needs_torch
from tests.support.models.images import make_classifier
from tests.support.models.plain_images import pictures, probabilities

CHINA, FLOWER, FACE = (pictures()[name] for name in ("china", "flower", "face"))


def job(tmp_path: Path, images: Any, step: dict[str, Any], **spec: Any) -> tuple[list[dict[str, Any]], Report]:
    """The rows that a job keeps, and its report."""
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir(parents=True, exist_ok=True)
    texts = ["<image>" * len(value or []) if isinstance(value, list) else "" for value in images.to_pylist()]
    pq.write_table(pa.table({"image": images, "id": range(len(images)), "text": texts}), tmp_path / "in" / "a.parquet")
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step], **spec))
    return read_manifest(tmp_path / "out"), report


def test_probabilities_are_those_of_transformers(classifier: Path, ask: Ask) -> None:
    found, failed = ask(Nsfw(model=str(classifier), output="nsfw"), [{"image": data} for data in pictures().values()])
    assert not failed
    for name, row in zip(pictures(), found, strict=True):
        assert row["nsfw"] == pytest.approx(probabilities(classifier, pictures()[name])[1], abs=0.02), name
    assert len({round(row["nsfw"], 6) for row in found}) > 8


def test_a_job_keeps_rows_within_the_limits_and_counts_the_others(classifier: Path, tmp_path: Path) -> None:
    values = {name: float(probabilities(classifier, data)[1]) for name, data in pictures().items()}
    limit = float(np.median(list(values.values()))) + 0.001
    images = pa.array([*pictures().values(), b"broken", None], pa.binary())
    step = {"nsfw": {"model": str(classifier), "max": limit}}
    rows, report = job(tmp_path, images, step, errors={"policy": "drop", "maxRatio": 1}, rejects={"path": str(tmp_path / "no")})
    assert [row["id"] for row in rows] == [i for i, value in enumerate(values.values()) if value <= limit]
    assert set(rows[0]) == {"image", "id", "text"}, "without `output`, there is no new column"
    counts = report.steps[1]
    assert (counts.failed, counts.rejected) == (2, {"nsfw_too_high": len(values) - len(rows)})
    assert counts.rows_in == counts.rows_out + counts.failed + sum(counts.rejected.values())


def test_a_list_is_decided_by_one_score(classifier: Path, tmp_path: Path) -> None:
    low, high = sorted(float(probabilities(classifier, data)[1]) for data in (CHINA, FACE))
    images = pa.array([[CHINA, FACE], [CHINA, None, CHINA], [FACE], [], None], pa.list_(pa.binary()))
    for how, expected in (("mean", (low + high) / 2), ("min", low), ("max", high)):
        step = {"nsfw": {"model": str(classifier), "max": None, "reduce": how, "output": "nsfw"}}
        rows, _ = job(tmp_path / how, images, step)
        assert [row["id"] for row in rows] == [0, 1, 2, 3, 4]
        assert rows[0]["nsfw"] == pytest.approx(expected, abs=0.02) and rows[3]["nsfw"] is rows[4]["nsfw"] is None
    step = {"nsfw": {"model": str(classifier), "max": (low + high) / 2 + 0.03, "reduce": "max"}}
    kept, _ = job(tmp_path / "limit", images, step)
    assert len(kept) == 3


@pytest.mark.parametrize(("keep", "expected"), [("any", [0, 1, 3, 4]), ("all", [0, 3, 4]), ("each", [0, 1, 2, 3, 4])])
def test_lists_are_decided_as_a_whole_or_image_by_image(
    keep: str, expected: list[int], classifier: Path, tmp_path: Path
) -> None:
    low, high = sorted((CHINA, FACE), key=lambda data: probabilities(classifier, data)[1])
    limit = float(probabilities(classifier, low)[1]) + 0.01
    assert probabilities(classifier, high)[1] > limit + 0.01
    images = pa.array([[low, None], [high, low], [high], [], None], pa.list_(pa.binary()))
    step = {"nsfw": {"model": str(classifier), "max": limit, "keep": keep, "text": "text", "output": "nsfw"}}
    rows, report = job(tmp_path, images, step)
    assert [row["id"] for row in rows] == expected
    assert rows[0]["nsfw"] == [pytest.approx(limit - 0.01, abs=0.02), None], "nulls have no score"
    if keep == "each":
        assert [row["image"] for row in rows] == [[low, None], [low], [], [], None]
        assert [row["text"] for row in rows] == ["<image><image>", "<image>", "", "", ""]
        assert [len(row["nsfw"]) for row in rows] == [2, 1, 0, 0, 0]
        assert report.steps[1].removed_items == {"nsfw_too_high": 2}
    assert "_nsfw_errors" not in rows[0]


@pytest.mark.parametrize("keep", ["any", "all", "each"])
def test_one_bad_image_fails_the_row_or_is_removed(keep: str, classifier: Path, tmp_path: Path) -> None:
    images = pa.array([[CHINA, b"broken"], [b"broken"], [FACE]], pa.list_(pa.binary()))
    step = {"nsfw": {"model": str(classifier), "max": 1, "keep": keep}}
    rows, report = job(tmp_path, images, step, errors={"policy": "drop", "maxRatio": 1})
    assert [row["id"] for row in rows] == ([0, 1, 2] if keep == "each" else [2])
    assert report.progress.rows_failed == (0 if keep == "each" else 2)
    if keep == "each":
        assert [row["image"] for row in rows] == [[CHINA], [], [FACE]]
        assert report.steps[1].removed_items == {"notAnImage": 2}


def test_interleaved_documents_and_measures_of_other_steps_lose_the_removed_images(classifier: Path, tmp_path: Path) -> None:
    low, high = sorted((CHINA, FACE), key=lambda data: probabilities(classifier, data)[1])
    limit = float(probabilities(classifier, low)[1]) + 0.01
    rows = [{"image": [None, high, None, low, high], "texts": ["a", None, "b", None, "c"]}]
    write_parts(tmp_path / "in", rows, 1)
    each = {"model": str(classifier), "keep": "each", "texts": "texts"}
    steps = [
        {"mediaInfo": {}},
        {"imageSize": {"output": "side"}},
        {"nsfw": {**each, "max": 1, "output": "first"}},
        {"nsfw": {**each, "max": limit, "output": "second"}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps))
    (row,) = read_manifest(tmp_path / "out")
    assert (row["image"], row["texts"]) == ([None, None, low, None], ["a", "b", None, "c"])
    for name in ("width", "side", "first", "second"):
        assert [value is not None for value in row[name]] == [False, False, True, False], name
    assert report.steps[4].removed_items == {"nsfw_too_high": 2}


def test_a_text_with_another_number_of_placeholders_fails_its_row(classifier: Path, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"image": [CHINA], "text": "no image"}, {"image": [CHINA], "text": "<image>"}], 1)
    step = {"nsfw": {"model": str(classifier), "max": 1, "keep": "each", "text": "text"}}
    job = make_job(tmp_path / "in", tmp_path / "out", [step], errors={"policy": "drop", "maxRatio": 1})
    assert run(job).progress.rows_failed == 1
    assert [row["text"] for row in read_manifest(tmp_path / "out")] == ["<image>"]


def test_classes_are_chosen_by_name(tmp_path: Path, ask: Ask) -> None:
    needs_torch()
    five = make_classifier(tmp_path / "five", ("drawings", "hentai", "neutral", "porn", "sexy"))
    found, _ = ask(Nsfw(model=str(five), labels=("Porn", "hentai"), output="nsfw"), [{"image": CHINA}])
    assert found[0]["nsfw"] == pytest.approx(probabilities(five, CHINA)[[1, 3]].sum(), abs=0.02)
    with pytest.raises(InvalidJob, match=r"has 5 classes. Set `labels` to some of them: drawings"):
        ask(Nsfw(model=str(five)), [{"image": CHINA}])
    with pytest.raises(InvalidJob, match=r"has no class `nude`. Its classes are drawings"):
        ask(Nsfw(model=str(five), labels=("nude",)), [{"image": CHINA}])


def test_a_model_without_the_weights_of_a_classifier_is_refused(dinov2: Path, ask: Ask) -> None:
    with pytest.raises(InvalidJob, match="lacks weights of Dinov2ForImageClassification"):
        ask(Nsfw(model=str(dinov2)), [{"image": CHINA}])


def test_every_kind_of_bad_image_has_a_reason_and_rare_ones_have_a_score(classifier: Path, ask: Ask) -> None:
    bad, rare = bad_images(), rare_images()
    images = pa.array([*(each.data for each in bad.values()), *rare.values()], pa.binary())
    found, failed = ask(Nsfw(model=str(classifier), output="nsfw"), pa.table({"image": images}))
    reasons = {name: plain(failed.get(row, "")).partition(":")[0] for row, name in enumerate(bad)}
    assert {name: reason for name, reason in reasons.items() if reason not in str(bad[name].pixels).split("|")} == {}
    for row, (name, data) in enumerate(rare.items(), start=len(bad)):
        assert found[row]["nsfw"] == pytest.approx(probabilities(classifier, data)[1], abs=0.03), name


@pytest.mark.parametrize("step", [{"max": 1.5}, {"labels": []}, {"keep": "some"}, {"batchTokens": 3}])
def test_invalid_parameters_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Nsfw.model_validate(step)


def test_models_with_the_files_of_older_releases_have_the_same_probabilities(tmp_path: Path, ask: Ask) -> None:
    """Falconsai/nsfw_image_detection and amrul-hzz/watermark_detector were saved with feature extractors, some as .bin."""
    needs_torch()
    import json

    import torch
    from transformers import ViTForImageClassification

    model = make_classifier(tmp_path / "model")
    step, rows = Nsfw(model=str(model), output="nsfw"), [{"image": CHINA}, {"image": FACE}]
    expected = ask(step, rows)
    kind = {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 2, "do_resize": True}
    normalize = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    for name in ("preprocessor_config.json", "processor_config.json"):
        (model / name).unlink(missing_ok=True)
    (model / "preprocessor_config.json").write_text(json.dumps({**kind, **normalize}))
    torch.save(ViTForImageClassification.from_pretrained(model).state_dict(), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    older = tmp_path / "older"  # another path: models that are loaded are not loaded again
    model.rename(older)
    assert ask(Nsfw(model=str(older), output="nsfw"), rows) == expected
