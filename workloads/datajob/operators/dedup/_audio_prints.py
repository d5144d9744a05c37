"""What recordings are compared by, computed in the process that decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from datajob.operators.dedup._fingerprints import FingerprintMeter
from datajob.operators.media.audio_steps import MAX_SECONDS, AudioSignature
from datajob.operators.media.meters import Counter

if TYPE_CHECKING:
    from datajob.media.audio_stream import Block
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter

HASH_BYTES = 16


class _Print(AudioSignature):
    abstract: ClassVar[bool] = True

    max_duration: float = MAX_SECONDS

    def seconds_limit(self) -> float:
        """The parameter `maxDuration`."""
        return self.max_duration


class SamplesHash(_Print):
    """Computes a hash of the decoded samples, and the seconds."""

    abstract: ClassVar[bool] = True

    def meter(self, form: Form) -> Meter:
        """Both."""
        return _WithSeconds(form, _HashMeter(form))


class AudioFingerprint(_Print):
    """Computes a fingerprint, and the seconds."""

    abstract: ClassVar[bool] = True
    packages: ClassVar[dict[str, str]] = {"soxr": "soxr"}

    def meter(self, form: Form) -> Meter:
        """Both."""
        return _WithSeconds(form, FingerprintMeter(form))


class _WithSeconds:
    def __init__(self, form: Form, meter: Meter) -> None:
        self._meter, self._counter = meter, Counter(form)

    def add(self, block: Block) -> None:
        self._meter.add(block)
        self._counter.add(block)

    def value(self) -> tuple[Any, float]:
        return self._meter.value(), self._counter.value()


class _HashMeter:
    """The same samples with the same rate and channels have the same hash, regardless of the format of the file."""

    def __init__(self, form: Form) -> None:
        from hashlib import blake2b

        self._hash = blake2b(repr(tuple(form)).encode(), digest_size=HASH_BYTES)

    def add(self, block: Block) -> None:
        import numpy as np

        samples: Any = np.ascontiguousarray(block + np.float32(0))  # -0.0 becomes 0.0
        self._hash.update(samples)

    def value(self) -> bytes:
        return self._hash.digest()
