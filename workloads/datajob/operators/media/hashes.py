"""Perceptual hashes of the luma of an image (height x width, 8 bits): bytes that differ in few bits if images are alike.

The bits are in the order of the reference implementation, so `.tobytes().hex()` is the text that it prints.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Luma = NDArray[np.uint8]
    Hash = NDArray[np.uint8]

PDQ_BITS = 256
_PDQ_SIDE = 64
_PDQ_MIN_SIDE = 5
_PDQ_GRADIENTS = 90
_MAX_SIDE = 2048
"""Pixels of a side up to which a matrix of weights is worth its memory."""


def phash(luma: Luma, size: int = 8) -> Hash:
    """`imagehash.phash`: the low frequencies of a 4 x size picture, compared with their median (Krawetz 2011).

    The same bits, except for coefficients that equal the median up to rounding, which are never set here: images of one
    color have equal hashes.
    """
    import numpy as np

    pixels = _reduced(luma, 4 * size)
    basis = _cosines(size, 4 * size)
    low = (basis @ pixels @ basis.T).round(6)
    return np.packbits(low > np.median(low))


def dhash(luma: Luma, size: int = 8) -> Hash:
    """`imagehash.dhash`: whether each pixel of a small picture is brighter than the one to its left (Krawetz 2013)."""
    import numpy as np

    pixels = _resized(luma, size + 1, size)
    return np.packbits(pixels[:, 1:] > pixels[:, :-1])


def pdq(luma: Luma) -> tuple[Hash, int]:
    """The PDQ hash, and its quality from 0 (no structure) to 100 (Meta ThreatExchange, `hashing/pdq`).

    The two passes of a box filter and the selection of 64 x 64 pixels are one weighted sum per axis; the bits differ from
    those of the C++ implementation only where a coefficient equals the median up to the rounding of 32-bit floats.
    """
    import numpy as np

    if min(luma.shape) < _PDQ_MIN_SIDE:
        return np.zeros(PDQ_BITS // 8, np.uint8), 0
    small = _downsampled(luma) if luma.shape != (_PDQ_SIDE, _PDQ_SIDE) else luma.astype(np.float64)
    down, right = np.diff(small, axis=0), np.diff(small, axis=1)
    gradients = sum(int(np.abs(np.trunc(steps * 100 / 255)).sum()) for steps in (down, right))
    basis = _cosines(17, _PDQ_SIDE)[1:]
    low = basis @ small @ basis.T
    middle = np.partition(low, (PDQ_BITS - 1) // 2, axis=None)[(PDQ_BITS - 1) // 2]
    return np.packbits((low > middle).reshape(-1)[::-1]), min(gradients // _PDQ_GRADIENTS, 100)


def words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes (one per row) as 64-bit words, padded with zeros: their Hamming distances are the same.

    The first bit of a hash is the highest bit of its first word.
    """
    import numpy as np

    padding = -hashes.shape[1] % 8
    return np.ascontiguousarray(np.pad(hashes, ((0, 0), (0, padding)))).view(">u8").astype(np.uint64)


def _resized(luma: Luma, width: int, height: int) -> NDArray[Any]:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(luma).resize((width, height), Image.Resampling.LANCZOS))


def _reduced(luma: Luma, side: int) -> NDArray[Any]:
    """`_resized` to a square, up to the rounding of weights, and several times faster: as two matrix products.

    Pillow reduces tall images in the other order, which changes where levels are cut off at 0 and 255.
    """
    import numpy as np

    height, width = luma.shape
    if min(height, width) < 2 * side or max(height, width) > _MAX_SIDE or height > 1.5 * width:
        return _resized(luma, side, side)
    columns = _levels(luma.astype(np.float32) @ _lanczos(width, side))
    return _levels(_lanczos(height, side).T @ columns)


def _levels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded to levels, as Pillow does after each direction."""
    import numpy as np

    return np.asarray(np.clip(np.floor(values + np.float32(0.5)), 0, 255))


@lru_cache(maxsize=64)
def _lanczos(before: int, after: int) -> NDArray[np.float32]:
    """The weight of each of `before` pixels in each of `after` pixels (Lanczos filter of size 3)."""
    import numpy as np

    scale = before / after
    centers = (np.arange(after) + 0.5) * scale
    first = np.maximum(np.floor(centers - 3 * scale + 0.5), 0).astype(np.int64)
    places = first[:, None] + np.arange(int(6 * scale) + 2)
    distances = (places + 0.5 - centers[:, None]) / scale
    weights = np.where((abs(distances) < 3) & (places < before), np.sinc(distances) * np.sinc(distances / 3), 0)
    return _dense(first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), before)


def _dense(first: NDArray[np.int64], weights: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Weights as a matrix with a row for each of `size` pixels."""
    import numpy as np

    matrix = np.zeros((size + weights.shape[1], len(first)), np.float32)
    matrix[first[:, None] + np.arange(weights.shape[1]), np.arange(len(first))[:, None]] = weights
    return matrix[:size]


@cache
def _cosines(count: int, size: int) -> NDArray[np.float64]:
    """The first `count` rows of the DCT-II of `size` values, without normalization."""
    import numpy as np

    return np.asarray(2 * np.cos(np.pi / (2 * size) * np.outer(np.arange(count), 2 * np.arange(size) + 1)))


def _downsampled(luma: Luma) -> NDArray[np.float64]:
    """The 64 x 64 pixels of PDQ."""
    import numpy as np

    from datajob.operators.kernels.pixels import weighted_rows

    first, weights = _tent_weights(luma.shape[0])
    rows = np.zeros((_PDQ_SIDE, luma.shape[1]), np.float32)
    weighted_rows(np.ascontiguousarray(luma), first, weights, rows)
    return np.asarray(rows @ _dense(*_tent_weights(luma.shape[1]), luma.shape[1]).astype(np.float64))


@lru_cache(maxsize=1024)
def _tent_weights(size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which of `size` pixels each of 64 samples of the filtered pixels combines: the first of them, and their weights.

    Each of the two passes averages windows of size / 128, rounded up, which are cut off at the borders.
    """
    import numpy as np

    window = (size + 2 * _PDQ_SIDE - 1) // (2 * _PDQ_SIDE)
    after = (window + 2) // 2 - 1
    before = window - 1 - after
    samples = ((np.arange(_PDQ_SIDE) + 0.5) * size / _PDQ_SIDE).astype(np.int64)
    first = np.maximum(samples - 2 * before, 0)
    weights = np.zeros((_PDQ_SIDE, 2 * window + 1))
    for i, sample in enumerate(samples):
        outer = range(max(sample - before, 0), min(sample + after + 1, size))
        for middle in outer:
            inner = range(max(middle - before, 0), min(middle + after + 1, size))
            weights[i, inner[0] - first[i] : inner[-1] + 1 - first[i]] += 1 / len(outer) / len(inner)
    return first, weights.astype(np.float32)
