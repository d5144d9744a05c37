"""Perceptual hashes against imagehash and Meta's PDQ."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from datajob.operators.media.hashes import dhash, pdq, phash, words
from tests.support.pictures import PHOTOS, luma, photo

imagehash = pytest.importorskip("imagehash")


def crops(name: str, count: int, smallest: int, seed: int) -> list[Image.Image]:
    """The photo and random parts of it, in gray: its luma is then exact."""
    random, picture = np.random.default_rng(seed), photo(name).convert("L")
    found = [picture]
    for _ in range(count):
        width, height = random.integers(smallest, picture.width), random.integers(smallest, picture.height)
        left, top = random.integers(0, picture.width - width), random.integers(0, picture.height - height)
        found.append(picture.crop((left, top, left + width, top + height)))
    return found


def bits(left: np.ndarray, right: bytes) -> int:
    """The number of different bits."""
    return int(np.bitwise_count(left ^ np.frombuffer(right, np.uint8)).sum())


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("size", [8, 16])
def test_phash_and_dhash_are_those_of_imagehash(name: str, size: int) -> None:
    for picture in crops(name, 40, 1, seed=size):
        assert bits(phash(luma(picture), size), bytes.fromhex(str(imagehash.phash(picture, size)))) <= 1
        assert dhash(luma(picture), size).tobytes().hex() == str(imagehash.dhash(picture, size))


def slow_pdq(picture: np.ndarray) -> tuple[np.ndarray, int]:
    """PDQ as published: two passes of a box filter in both directions, 64 x 64 pixels, 16 x 16 frequencies, their median."""

    def box(values: np.ndarray) -> np.ndarray:
        window = -(-values.shape[0] // 128)
        after = (window + 2) // 2
        rows = range(values.shape[0])
        return np.stack([values[max(y + after - window, 0) : y + after].mean(axis=0) for y in rows])

    for _ in range(2):
        picture = box(box(picture.T.astype(float)).T)
    rows, columns = (((np.arange(64) + 0.5) * side / 64).astype(int) for side in picture.shape)
    small = picture[np.ix_(rows, columns)]
    steps = np.concatenate([np.diff(small, axis=0).ravel(), np.diff(small, axis=1).ravel()])
    waves = np.cos(np.pi / 128 * np.outer(np.arange(1, 17), 2 * np.arange(64) + 1))
    low = np.sort((waves @ small @ waves.T).ravel())[127]
    return np.packbits((waves @ small @ waves.T > low).ravel()[::-1]), min(
        int(np.abs(np.fix(steps * 100 / 255)).sum()) // 90, 100
    )


@pytest.mark.parametrize("name", PHOTOS)
def test_pdq_is_the_published_algorithm(name: str) -> None:
    for picture in crops(name, 12, 5, seed=3):
        theirs, quality = slow_pdq(luma(picture))
        found, ours = pdq(luma(picture))
        assert abs(ours - quality) <= 1
        assert bits(found, theirs.tobytes()) <= 2 or quality < 50


PDQ = {
    "china": ("bf18cef3407e8678e6833b1937d14066988e5cd2046eac5f783103f157abf50e", 100),
    "flower": ("673966dcb772a66499a69a666196a9476599a21b9649a659596624b3e58ea693", 100),
    "face": ("cc6c7cb9fbf7c44f31837672900233f3ffd9d012223ccdf561606309dd97c020", 100),
}
"""Of the C++ implementation of its authors (pdqhash 0.2.8), for photos converted to gray."""


@pytest.mark.parametrize("name", PHOTOS)
def test_pdq_is_that_of_its_authors(name: str) -> None:
    theirs, quality = PDQ[name]
    found, ours = pdq(luma(photo(name)))
    assert bits(found, bytes.fromhex(theirs)) <= 2 and abs(ours - quality) <= 1


CHANGES = {
    "half size": lambda picture: picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX),
    "fewer colors": lambda picture: picture.quantize(64).convert("RGB"),
    "darker": lambda picture: picture.point(lambda level: int(level * 0.8)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", PHOTOS)
def test_a_changed_photo_is_near_and_another_photo_is_far(name: str, change: str) -> None:
    picture, other = photo(name), photo(next(n for n in PHOTOS if n != name))
    same, changed, far = (luma(p) for p in (picture, CHANGES[change](picture), other))
    for hashed, near, distant in ((phash, 5, 15), (dhash, 5, 15), (lambda p: pdq(p)[0], 31, 80)):
        assert bits(hashed(same), hashed(changed).tobytes()) <= near
        assert bits(hashed(same), hashed(far).tobytes()) >= distant


def test_pictures_of_one_color_have_one_hash_and_no_quality() -> None:
    plain = [np.full((40, 60), level, np.uint8) for level in (0, 1, 77, 255)]
    assert len({phash(p).tobytes() for p in plain[1:]}) == 1  # of black, even the mean is not above the median
    assert len({dhash(p).tobytes() for p in plain}) == 1
    assert [pdq(p)[1] for p in plain] == [0] * 4
    assert pdq(np.zeros((4, 900), np.uint8))[1] == 0


def test_words_keep_the_distances_of_hashes() -> None:
    random = np.random.default_rng(1)
    for size in (1, 7, 8, 13, 32):
        left, right = random.integers(0, 256, (2, 5, size), dtype=np.uint8)
        near = np.bitwise_count(words(left) ^ words(right)).sum(axis=1)
        assert near.tolist() == np.bitwise_count(left ^ right).sum(axis=1).tolist()
