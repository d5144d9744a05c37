"""The arguments of kernels as plain tuples of arrays, without numba."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNIT = 16
"""Flag of a word that starts after whitespace, and of a Chinese character or the like and the word after it."""

DIMENSIONS, BUCKETS = 16, 2_000_000
"""Dimensions of the vectors of a `LanguageModel`, and size of the table of its n-grams."""

KIND = 0xFF
"""The bits of a character's properties for its kind in the mojibake automaton."""
CHANGES = 1 << 8
"""The character is replaced, regardless of its context."""
MARK = 1 << 9
"""It is reordered or composes with a preceding character."""
ENTITY = 1 << 10
"""`&`: can start an HTML entity."""
ANGLE = 1 << 11
"""`<`: the following text is HTML, whose entities are kept."""
ESCAPE = 1 << 12
"""Starts a terminal escape."""


class Text(NamedTuple):
    """Row i is `data[offsets[i]:offsets[i + 1]]`, valid UTF-8. Rows that are not alive can be skipped."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    alive: NDArray[np.bool_]


class Words(NamedTuple):
    """Words `rows[i]:rows[i + 1]` and line breaks `break_rows[i]:break_rows[i + 1]` belong to row i.

    `starts` and `breaks` are bytes from the start of the row, `sizes` bytes, `points` code points, `flags` UNIT and the
    classes ALPHA and MATTER that any of the word's characters has. `counts[i]`: the row's code points, `#`, ellipses.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int32]
    sizes: NDArray[np.int32]
    points: NDArray[np.int32]
    flags: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    break_rows: NDArray[np.int64]
    breaks: NDArray[np.int32]
    counts: NDArray[np.int64]


class LanguageModel(NamedTuple):
    """Nodes of the tree below `labels` are the labels; node n above them decides by vector `n - labels` of `output`."""

    vectors: NDArray[np.float32]
    """Vectors of the words, then of the remaining n-grams."""
    grams: NDArray[np.int32]
    """For each bucket the row of its vector, or -1."""
    slots: NDArray[np.uint64]
    """Open-addressing table of the words' hashes; 0 is free."""
    words: NDArray[np.int32]
    """For each slot the row of the word's vector."""
    end: int
    """The row of the token that ends a text."""
    output: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


class Rules(NamedTuple):
    """Arrays for the kernel; `new[ends[n - 1]:ends[n]]` replaces a character c with `numbers[c] = n`.

    `marks` holds the combining class of a code point; characters f and s compose when `pairs[firsts[f], seconds[s]]`.
    """

    properties: NDArray[np.uint16]
    following: NDArray[np.uint16]
    numbers: NDArray[np.uint16]
    new: NDArray[np.uint8]
    ends: NDArray[np.int64]
    marks: NDArray[np.uint8]
    firsts: NDArray[np.uint16]
    seconds: NDArray[np.uint8]
    pairs: NDArray[np.uint8]
