"""Measures of luma against OpenCV, Pillow and NumPy."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis.extra import numpy as arrays

from datajob.operators.media import luma as measures
from tests.support.pictures import PHOTOS, luma, photo

cv2 = pytest.importorskip("cv2")
pictures = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@settings(max_examples=200, deadline=None)
@given(pictures)
@example(np.zeros((1, 1), np.uint8))
@example(np.tile(np.array([0, 255], np.uint8), (3, 2000)))
def test_measures_are_those_of_the_reference(picture: np.ndarray) -> None:
    from PIL import Image

    counts = measures.histogram(picture)
    assert counts.tolist() == np.bincount(picture.ravel(), minlength=256).tolist()
    assert measures.sharpness(picture) == pytest.approx(cv2.Laplacian(picture, cv2.CV_64F).var(), rel=1e-12, abs=1e-9)
    assert measures.brightness(counts) == pytest.approx(picture.mean() / 255)
    assert measures.contrast(counts) == pytest.approx(picture.std() / 255, abs=1e-9)
    assert measures.entropy(counts) == pytest.approx(Image.fromarray(picture).entropy(), abs=1e-9)


@pytest.mark.parametrize("name", PHOTOS)
def test_sharpness_of_a_photo_and_of_its_rows_is_that_of_opencv(name: str) -> None:
    picture = luma(photo(name))
    for part in (picture, picture[::2, ::2], picture[:, :1], picture[5:6]):
        assert measures.sharpness(part) == pytest.approx(cv2.Laplacian(np.ascontiguousarray(part), cv2.CV_64F).var(), rel=1e-12)


@pytest.mark.parametrize(
    ("levels", "share"),
    [
        ([7] * 10, 1.0),
        ([7, 8] * 5, 1.0),
        ([0, 255] * 5, 0.5),
        ([255] * 9 + [0], 0.9),
        (range(256), 8 / 256),
        ([0, 4, 8, 12], 0.5),
    ],
)
def test_the_blank_share_counts_similar_levels_as_one(levels: list[int], share: float) -> None:
    assert measures.blank_share(measures.histogram(np.array([list(levels)], np.uint8))) == share


def test_a_picture_of_one_color_has_no_structure() -> None:
    picture = np.full((30, 50), 200, np.uint8)
    counts = measures.histogram(picture)
    assert (measures.sharpness(picture), measures.contrast(counts), measures.entropy(counts)) == (0, 0, 0)
    assert math.copysign(1, measures.entropy(counts)) == 1
