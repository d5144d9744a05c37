"""The phrases that a text contains, found by the rarest letter of each phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datajob.operators.kernels.jit import inline
from datajob.operators.kernels.types import i32, read, types

_RARE_FIRST = b"zqxjkvbpygfwmucldrhsnioate "
KELVIN = b"\xe2\x84\xaa"
"""The Kelvin sign, the only other character that `str.lower` converts to an ASCII letter; it matches a `k`."""


class Phrases(NamedTuple):
    """Phrase i is `data[offsets[i]:offsets[i + 1]]`; finding it sets `bits[i]`.

    `chains[byte]` is the first phrase whose anchor (at `anchors[i]`) is that byte, `following[i]` the next one, or -1.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    anchors: NDArray[np.int32]
    bits: NDArray[np.int32]
    chains: NDArray[np.int32]
    following: NDArray[np.int32]


PHRASES = types.NamedTuple((read(types.uint8), *(read(i32) for _ in range(5))), Phrases)


def compile_phrases(phrases: Sequence[tuple[str, int]]) -> Phrases:
    """Compile phrases, each with the bits that it sets. ASCII letters match regardless of case."""
    encoded = [phrase.lower().encode() for phrase, _ in phrases]
    anchors = [min(range(len(e)), key=lambda i, e=e: _rank(e[i])) for e in encoded]  # type: ignore[misc]
    chains, following = np.full(256, -1, np.int32), np.full(len(encoded), -1, np.int32)
    for i, (phrase, anchor) in enumerate(zip(encoded, anchors, strict=True)):
        lower, upper = phrase[anchor], phrase[anchor : anchor + 1].upper()[0]
        following[i] = chains[lower]
        chains[lower] = chains[upper] = i
        if lower == ord("k"):
            chains[KELVIN[0]] = i
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    compiled = Phrases(
        np.frombuffer(b"".join(encoded), np.uint8),
        offsets,
        np.array(anchors, np.int32),
        np.array([bits for _, bits in phrases], np.int32),
        chains,
        following,
    )
    for array in compiled:
        array.flags.writeable = False
    return compiled


def _rank(byte: int) -> int:
    return _RARE_FIRST.find(byte) if byte in _RARE_FIRST else (0 if byte < 0x80 else 5)


@inline
def _matches(data: Any, at: int, stop: int, phrases: Any, index: int) -> bool:
    for i in range(phrases.offsets[index], phrases.offsets[index + 1]):
        wanted = phrases.data[i]
        if at >= stop:
            return False
        found = data[at]
        if found == wanted or (65 <= found <= 90 and found + 32 == wanted):
            at += 1
        elif wanted == 107 and at + 2 < stop and found == 0xE2 and data[at + 1] == 0x84 and data[at + 2] == 0xAA:
            at += 3
        else:
            return False
    return True


@inline
def find_phrases(data: Any, start: int, stop: int, phrases: Any) -> int:
    """The bits of all phrases that occur in `data[start:stop]`."""
    bits = 0
    for at in range(start, stop):
        index = phrases.chains[data[at]]
        while index >= 0:
            first = at - phrases.anchors[index]
            if first >= start and _matches(data, first, stop, phrases, index):
                bits |= phrases.bits[index]
            index = phrases.following[index]
    return bits
