"""Measures of the luma of an image: an array (height x width) of 8-bit levels, as Pillow's mode `L` (ITU-R BT.601)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Luma = NDArray[np.uint8]
    Counts = NDArray[np.int64]

_LEVELS = 256
_BLANK_LEVELS = 32


def histogram(luma: Luma) -> Counts:
    """The number of pixels of each of the 256 levels."""
    import numpy as np

    from datajob.operators.kernels import pixels

    counts = np.zeros((4, _LEVELS), np.int64)
    pixels.histogram(np.ascontiguousarray(luma), counts)
    return np.asarray(counts.sum(axis=0))


def sharpness(luma: Luma) -> float:
    """The variance of the Laplacian, as `cv2.Laplacian(luma, cv2.CV_64F).var()` (Pech-Pacheco et al. 2000).

    The sums are exact integers, so the result differs from that of OpenCV by rounding only (relative 1e-12).
    """
    import numpy as np

    from datajob.operators.kernels.pixels import laplacian_sums

    sums = np.zeros(2, np.int64)
    laplacian_sums(np.ascontiguousarray(luma), sums)
    total, squares = map(int, sums)
    return (squares * luma.size - total * total) / luma.size**2


def brightness(counts: Counts) -> float:
    """The mean level of a histogram, as a share of white."""
    import numpy as np

    return float(counts @ np.arange(_LEVELS)) / float(counts.sum()) / (_LEVELS - 1)


def contrast(counts: Counts) -> float:
    """The standard deviation of the levels of a histogram, as a share of white (RMS contrast, Peli 1990)."""
    import numpy as np

    levels, total = np.arange(_LEVELS), int(counts.sum())
    mean, square = int(counts @ levels), int(counts @ levels**2)
    return float(np.sqrt((square * total - mean * mean) / total**2)) / (_LEVELS - 1)


def blank_share(counts: Counts) -> float:
    """The largest share of pixels in one of 32 ranges of levels, at two offsets: noise around a limit of a range counts as one.

    Levels that differ by up to 3 always share a range at one of the offsets.
    """
    import numpy as np

    width = _LEVELS // _BLANK_LEVELS
    shifted = np.concatenate([np.zeros(width // 2, np.int64), counts, np.zeros(width // 2, np.int64)])
    most = max(int(found.reshape(-1, width).sum(axis=1).max()) for found in (counts, shifted))
    return most / int(counts.sum())


def entropy(counts: Counts) -> float:
    """The entropy of the levels of a histogram, in bits: 0 to 8 (Shannon; `PIL.Image.entropy` of a gray image)."""
    import numpy as np

    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0
