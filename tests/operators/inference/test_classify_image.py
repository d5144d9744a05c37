"""classifyImage assigns labels by the probabilities of CLIP and SigLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.operators.inference.classify_image import ClassifyImage
from tests.operators.inference.conftest import Ask
from tests.support.models.plain_images import label_probabilities, pictures

LABELS = ("cat", "temple", "dark screenshot", "red flower")


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_labels_and_probabilities_are_those_of_transformers(kind: str, ask: Ask, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    step = ClassifyImage(model=str(folder), labels=LABELS, score_column="score")
    found, failed = ask(step, [{"image": data} for data in pictures().values()])
    assert not failed
    for row, data in zip(found, pictures().values(), strict=True):
        expected = label_probabilities(folder, data, [f"a photo of a {label}" for label in LABELS])
        assert row["score"] == pytest.approx(expected.max(), abs=0.03)
        assert expected[LABELS.index(row["label"])] == pytest.approx(expected.max(), abs=0.03)


def test_a_label_below_the_minimum_is_null_and_bad_images_fail(clip: Path, ask: Ask) -> None:
    china = pictures()["china"]
    images = pa.array([[china, china], [], [b"broken"]], pa.list_(pa.binary()))
    step = ClassifyImage(model=str(clip), labels=LABELS, min=1.0, output="kind")
    found, failed = ask(step, pa.table({"image": images}))
    assert [row["kind"] for row in found] == [[None, None], [], None]
    assert list(failed) == [2]


@pytest.mark.parametrize(
    "step", [{"labels": ["a"]}, {"labels": ["a", "a"]}, {"labels": ["a", " "]}, {"labels": ["a", "b"], "template": "photo"}, {}]
)
def test_invalid_labels_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClassifyImage.model_validate(step)
