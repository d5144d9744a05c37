"""watermark decides by the probability of a class, as nsfw."""

from pathlib import Path

import pytest

from datajob.operators.inference.watermark import Watermark
from tests.operators.inference.conftest import Ask
from tests.support.models.fixtures import needs_torch
from tests.support.models.plain_images import pictures, probabilities


def test_the_second_class_is_that_of_watermarks(tmp_path: Path, ask: Ask) -> None:
    needs_torch()
    from tests.support.models.images import make_classifier

    folder = make_classifier(tmp_path / "watermark", ("clean", "watermark"), seed=3)
    found, failed = ask(Watermark(model=str(folder), output="p"), [{"image": data} for data in pictures().values()])
    assert not failed
    for name, row in zip(pictures(), found, strict=True):
        assert row["p"] == pytest.approx(probabilities(folder, pictures()[name])[1], abs=0.02), name


def test_the_default_limit_is_that_of_data_juicer() -> None:
    [bound] = Watermark().bounds()
    assert (bound.parameter, bound.measure, bound.limit, bound.is_minimum) == ("max", "watermark", 0.8, False)
    assert Watermark().reasons() == ("watermark_too_high",)
