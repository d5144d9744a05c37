"""Fingerprints of audio: 32 bits for every 46 ms, from the energies of bands (Haitsma and Kalker 2002).

A bit states whether the difference between adjacent bands has increased since four frames before. Fingerprints of the same
recording differ in few bits after compression, changes of volume, and resampling; those of different recordings in about half.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.audio_stream import Block
    from datajob.media.audio_types import Form

    Frames = NDArray[np.uint32]

RATE = 5512
"""Samples per second that are analyzed; the bands are below 2 kHz."""
HOP, LEAST = 256, 16
"""Samples between frames, and the minimum number of frames: recordings of less than 1.3 seconds have no fingerprint."""
_WINDOW, _LAG, _BANDS = 2048, 4, 32
KEYS = 32
"""Frames of a recording by which others are found."""
_CONTEXT = (-16, -8, -4, -2, 2, 4, 8, 16)
"""Frames near a key that must agree as well, of which `CONTEXT_LIMIT` bits may differ."""
CONTEXT_BITS = 32 * len(_CONTEXT)
CONTEXT_LIMIT = CONTEXT_BITS * 5 // 16
_AUDIBLE = 1e-4
"""Energy of a frame, as a share of that of the loudest, below which it is not a key: silence is alike everywhere."""
_SHIFTS = 3
"""Shifts between two recordings that are compared: those that most keys state."""


class Fingerprint(NamedTuple):
    """The frames of a recording, and the energy of each."""

    frames: Frames
    energies: NDArray[np.float32]


class FingerprintMeter:
    """Computes a fingerprint block by block."""

    def __init__(self, form: Form) -> None:
        import numpy as np

        from datajob.operators.media.effects import Conversion

        self._conversion = Conversion(form, form._replace(rate=RATE, channels=1), "MQ")
        self._rest = np.zeros(0, np.float32)
        self._before = np.zeros((0, _BANDS))
        self._frames: list[Frames] = []
        self._energies: list[NDArray[np.float32]] = []

    def add(self, block: Block) -> None:
        """The frames that are complete."""
        self._add(self._conversion.process(block, last=False))

    def _add(self, block: Block) -> None:
        import numpy as np

        samples = np.concatenate([self._rest, block[:, 0]])
        if len(samples) < _WINDOW:
            self._rest = samples
            return
        windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::HOP]
        spectra = np.fft.rfft(windows * _hann(), axis=1)
        bands = (spectra.real**2 + spectra.imag**2) @ _bands()
        differences = np.concatenate([self._before, bands[:, :-1] - bands[:, 1:]])
        if len(differences) > _LAG:
            bits = differences[_LAG:] > differences[:-_LAG]
            self._frames.append(np.packbits(bits, axis=1).view(">u4")[:, 0].astype(np.uint32))
            self._energies.append(bands.sum(axis=1)[-len(bits) :].astype(np.float32))
        self._before = differences[-_LAG:]
        self._rest = samples[len(windows) * HOP :]

    def value(self) -> Fingerprint:
        """All frames."""
        import numpy as np

        self._add(self._conversion.process(np.zeros((0, 1), np.float32), last=True))
        return Fingerprint(
            np.concatenate([*self._frames, np.zeros(0, np.uint32)]), np.concatenate([*self._energies, np.zeros(0, np.float32)])
        )


@cache
def _hann() -> Any:
    import numpy as np

    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _bands() -> Any:
    """Which bins of the spectrum are in each of 33 bands between 300 and 2000 Hz, of equal width on a logarithmic scale."""
    import numpy as np

    edges = np.geomspace(300, 2000, _BANDS + 2)
    bins = np.arange(_WINDOW // 2 + 1)[:, None] * RATE / _WINDOW
    return ((bins >= edges[:-1]) & (bins < edges[1:])).astype(np.float64)


def key_frames(found: Fingerprint) -> NDArray[np.int64]:
    """The positions of the frames by which other recordings are found: those with the smallest hashes, one for each value.

    None are silent, or have almost equal bits, which are frequent in all recordings.
    """
    import numpy as np

    from datajob.operators.dedup._linking import mixed

    if len(found.frames) < LEAST:
        return np.zeros(0, np.int64)
    ones = np.bitwise_count(found.frames)
    usable = (found.energies > _AUDIBLE * found.energies.max()) & (ones >= 6) & (ones <= 26)
    positions = np.flatnonzero(usable)
    values, first = np.unique(found.frames[positions], return_index=True)
    order = np.argsort(mixed(values.astype(np.uint64), 0), kind="stable")[:KEYS]
    return np.asarray(positions[first[order]], np.int64)


def contexts(frames: Frames, keys: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The frames near each key, as 64-bit words."""
    import numpy as np

    places = np.clip(keys[:, None] + np.array(_CONTEXT), 0, len(frames) - 1)
    return np.ascontiguousarray(frames[places]).view(np.uint64)


def similarity(first: Frames, second: Frames, shift: int) -> float:
    """The equal bits of two recordings, of which the second starts `shift` frames later, as a share of the bits of their union.

    Shifts that differ by a frame are compared as well.
    """
    return max(_shifted(first, second, shift + more) for more in (0, -1, 1))


def _shifted(first: Frames, second: Frames, shift: int) -> float:
    import numpy as np

    start = max(0, -shift)
    union = max(len(first) + start, len(second) + start + shift)
    first, second = first[max(0, shift) :], second[start:]
    common = min(len(first), len(second))
    different = int(np.bitwise_count(first[:common] ^ second[:common]).sum(dtype=np.int64)) if common else 0
    return (32 * common - different) / (32 * union)


class Kept:
    """Recordings that are kept, which others are compared with."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._frames: list[Frames] = []
        self._places: dict[int, list[tuple[int, int]]] = {}

    def add(self, frames: Frames, keys: NDArray[np.int64]) -> None:
        """Keep a recording, which has the next number."""
        for value, place in zip(frames[keys].tolist(), keys.tolist(), strict=True):
            self._places.setdefault(value, []).append((len(self._frames), place))
        self._frames.append(frames)

    def like(self, frames: Frames, keys: NDArray[np.int64]) -> int | None:
        """The number of the first recording that is similar, if any: those with a key in common are compared."""
        votes: dict[int, Counter[int]] = {}
        for value, place in zip(frames[keys].tolist(), keys.tolist(), strict=True):
            for number, other in self._places.get(value, ()):
                votes.setdefault(number, Counter())[other - place] += 1
        for number in sorted(votes):
            kept = self._frames[number]
            if min(len(kept), len(frames)) < self._least * max(len(kept), len(frames)):
                continue
            if any(similarity(kept, frames, shift) >= self._least for shift, _ in votes[number].most_common(_SHIFTS)):
                return number
        return None
