"""blurFaces: faces are blurred, and nothing else."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from datajob.operators.image.blur_faces import BlurFaces
from datajob.operators.image.face_count import FaceCount
from tests.support.image_results import change, measure
from tests.support.pictures import encoded, photo, photo_bytes

FACE = encoded(photo("face"))


def test_a_blurred_face_is_not_found_again_and_the_rest_is_unchanged() -> None:
    [found] = change(BlurFaces(), FACE)
    assert measure(FaceCount(), FACE, found) == [1, 0]
    with Image.open(io.BytesIO(found)) as opened:
        different = np.any(np.asarray(opened) != np.asarray(photo("face")), axis=2)
    rows, columns = np.flatnonzero(different.any(axis=1)), np.flatnonzero(different.any(axis=0))
    assert different[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9
    assert 0.02 < different.mean() < 0.4
    [wider] = change(BlurFaces(grow=0.5), FACE)
    assert len(wider) < len(found)


def test_images_without_faces_keep_their_files() -> None:
    data = photo_bytes("flower")
    assert change(BlurFaces(), data, b"", b"text") == [data, "empty", "notAnImage"]
