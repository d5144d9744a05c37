"""`reduce`: filters on images decide a list, such as the frames of a video, by one measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from datajob.operators.base import Batch
from datajob.operators.media.sections import measures_of
from tests.support.image_steps import Mean, Width
from tests.support.pictures import encoded


def lists(*rows: list[int | None] | None) -> Batch:
    """Lists of images of some widths."""
    files = [None if row is None else [_picture(width) for width in row] for row in rows]
    return Batch(pa.table({"image": pa.array(files, pa.list_(pa.binary()))}))


def _picture(width: int | None) -> bytes | None:
    return None if width is None else encoded(Image.new("L", (width, 4), width))


ROWS = lists([10, 20, 60], [40], [], None, [50, None, 10])


@pytest.mark.parametrize(
    ("how", "values"),
    [("mean", [30, 40, None, None, 30]), ("min", [10, 40, None, None, 10]), ("max", [60, 40, None, None, 50])],
)
@pytest.mark.parametrize("step", [Width, Mean])
def test_a_list_has_one_measure(step: Any, how: Any, values: list[float | None]) -> None:
    verdict = step(min=35, reduce=how, output="m").keep(ROWS)
    assert verdict.columns["m"].to_pylist() == [None if value is None else pytest.approx(value, abs=0.6) for value in values]
    assert verdict.columns["m"].type == pa.float64()
    assert (verdict.codes == 0).tolist() == [value is None or value >= 35 for value in values]


def test_analyze_measures_the_reduced_lists() -> None:
    found = measures_of({"w": Width(reduce="mean"), "m": Mean(reduce="max")}, ROWS)
    assert np.nan_to_num(found["w"]["width"], nan=-1).tolist() == [30, 40, -1, -1, 30]
    assert np.nan_to_num(found["m"]["mean"], nan=-1).tolist() == [60, 40, -1, -1, 50]


def test_a_single_image_is_its_own_measure() -> None:
    table = pa.table({"image": pa.array([_picture(9), _picture(30)], pa.binary())})
    verdict = Width(min=10, reduce="mean", output="w").keep(Batch(table))
    assert (verdict.codes.tolist(), verdict.columns["w"].to_pylist()) == ([1, 0], [9, 30])


@pytest.mark.parametrize("keep", ["any", "all", "each"])
def test_reduce_excludes_keep(keep: Any) -> None:
    with pytest.raises(ValidationError, match="cannot be combined with `keep`"):
        Width(reduce="mean", keep=keep)
