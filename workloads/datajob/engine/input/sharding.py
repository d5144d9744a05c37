"""How the listed input is cut into shards. Pure and deterministic.

The cut depends on the listing only, not on the size of the cluster. A new file changes only the shards next to it: a run
on changed input reuses all results that the change does not affect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from datajob.engine.commit.shard import MIB, digest
from datajob.formats.base import Fragment

TARGETS = ((1 << 30, 16 * MIB), (64 << 30, 64 * MIB))
"""(input up to this many bytes, bytes of a shard); above the last, LARGEST."""


LARGEST = 256 * MIB
MAX_FRAGMENTS = 4096
"""Maximum number of fragments in a shard."""

MODEL_SHARDS = 8
"""Minimum number of shards for a stage with a model, if the input is large enough."""
MODEL_SMALLEST, MODEL_LARGEST = 4 << 10, 128 * MIB
"""Limits for the bytes of a shard that a model processes."""
MODEL_FILES = ((1 << 10, 8), (100_000, 32))
"""(input up to this many files, files of a shard that a model processes); above the last, MODEL_MAX_FILES."""
MODEL_MAX_FILES = 128
MODEL_ROWS = 16
"""Rows per shard if a fragment with a known number of rows is divided. Fragments with more than MODEL_ROWS * MODEL_PARTS
rows get larger shards."""
MODEL_PARTS = 16
"""Maximum number of shards that one fragment is divided into. Each of them reads the fragment up to the end of its rows."""
MODEL_LINES = (8, 2048)
"""Minimum and maximum rows of a shard from a file of lines, such as a list of image paths."""
MODEL_LINE_SHARDS = 512
"""Number of shards that such a file is cut into, within these limits."""

BOUNDARY = 8
"""Once a shard has its minimum size, it ends at the first file whose hashed name is divisible by this."""


@dataclass(frozen=True)
class ShardFragments:
    """The fragments of one source that a shard reads."""

    source: int
    fragments: tuple[Fragment, ...]
    rows: tuple[int, int] | None = None
    """Half-open range of rows, if there is only one fragment; None: all rows."""
    share: int = 1
    """Number of shards that the fragments are divided into."""

    @property
    def weight(self) -> int:
        """Bytes of input."""
        return sum(f.weight for f in self.fragments) // self.share

    def identity(self) -> list[Any]:
        """What identifies the input of the shard: a change makes it a different shard."""
        files = [[f.file.identity, f.file.size, f.file.version, f.start, f.end] for f in self.fragments]
        return [self.source, files] if self.rows is None else [self.source, files, self.rows]

    def divided(self, rows: int, maximum: int) -> list[ShardFragments]:
        """Divide the only fragment, which has `rows` rows, into at most `maximum` shards of consecutive rows."""
        parts = max(1, min(maximum, rows))
        edges = [rows * part // parts for part in range(parts + 1)]
        return [ShardFragments(self.source, self.fragments, edge, parts) for edge in pairwise(edges)]


def model_target(total_bytes: int) -> int:
    """Bytes of input of a shard that a model processes. Such shards are small: a row costs much more than its size suggests."""
    wanted = max(MODEL_SMALLEST, total_bytes // MODEL_SHARDS)
    return int(min(MODEL_LARGEST, 1 << (wanted - 1).bit_length()))


def model_line_target(target: int, total_bytes: int, row_bytes: int) -> int:
    """Like `model_target`, for lines of about `row_bytes`: the size of a list of paths does not indicate the work."""
    minimum, maximum = MODEL_LINES
    rows = max(minimum, min(maximum, total_bytes // row_bytes // MODEL_LINE_SHARDS))
    return int(min(target, 1 << (rows * row_bytes - 1).bit_length()))


def model_fragments(files: int) -> int:
    """Maximum number of files of a shard that a model processes. An interrupted job repeats at most the shards in progress."""
    return next((maximum for limit, maximum in MODEL_FILES if files <= limit), MODEL_MAX_FILES)


def shard_target(total_bytes: int) -> int:
    """Bytes of input of a shard, in coarse steps, so that a growing input rarely changes it."""
    return next((target for limit, target in TARGETS if total_bytes <= limit), LARGEST)


def pack(source: int, fragments: Iterable[Fragment], target: int, maximum: int = MAX_FRAGMENTS) -> list[ShardFragments]:
    """Group consecutive fragments into shards of `target`/2 to `target` bytes and at most `maximum` fragments.

    Between small files, the hash of a file name defines where a shard ends (content-defined chunking, as in rsync).
    """
    shards: list[ShardFragments] = []
    current: list[Fragment] = []
    weight = 0

    def cut() -> None:
        nonlocal weight
        if current:
            shards.append(ShardFragments(source, tuple(current)))
            current.clear()
            weight = 0

    for fragment in fragments:
        if current and weight + fragment.weight > target:
            cut()
        current.append(fragment)
        weight += fragment.weight
        full = weight >= target or len(current) >= maximum
        if full or ((weight * 2 >= target or len(current) * 2 >= maximum) and _boundary(fragment)):
            cut()
    cut()
    return shards


def _boundary(fragment: Fragment) -> bool:
    return int(digest(fragment.file.identity), 16) % BOUNDARY == 0
