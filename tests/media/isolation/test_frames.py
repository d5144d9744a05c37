"""Values arrive as they were sent, also those whose bytes are not copied."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

from datajob.media.isolation import frames

LARGE = 300_000
"""Elements of a value that is not copied."""
WAVE = np.arange(LARGE, dtype=np.float32)
VALUES: dict[str, Any] = {
    "nothing": None,
    "small": [1, "a", b"b"],
    "small array": np.arange(3, dtype=np.int16),
    "large bytes": bytes(LARGE),
    "large bytearray": bytearray(os.urandom(LARGE)),
    "large text": "ä" * LARGE,
    "many small values": [b"x" * 100] * 5000,
    "array of floats": WAVE,
    "array of two dimensions": WAVE.reshape(1000, -1),
    "columns first": np.asfortranarray(WAVE.reshape(1000, -1)),
    "every second element": WAVE[::2],
    "read-only array": np.frombuffer(WAVE.tobytes(), np.float32),
    "several": [WAVE, b"between", bytes(LARGE), WAVE.astype(np.int16), None],
}


def parts(value: Any) -> list[Any]:
    """A value as a list of what can be compared."""
    if isinstance(value, np.ndarray):
        return [value.dtype, value.shape, value.tobytes()]
    return [parts(each) for each in value] if isinstance(value, list) else [type(value), value]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_arrives_as_it_was_sent(name: str) -> None:
    out, into = os.pipe()
    writer = threading.Thread(target=lambda: [frames.write(into, frames.pack(each)) for each in (VALUES[name], "next")])
    writer.start()
    try:
        assert parts(frames.read(out)) == parts(VALUES[name])
        assert frames.read(out) == "next"
    finally:
        writer.join(60)
        os.close(out)
        os.close(into)


def test_large_arrays_are_not_copied() -> None:
    shared = [part for part in frames.pack(WAVE) if isinstance(part, memoryview) and np.shares_memory(np.asarray(part), WAVE)]
    assert sum(part.nbytes for part in shared) == WAVE.nbytes
