"""How the listed input is cut into shards. Pure and deterministic.

The cut depends on the listing alone, never on the size of the cluster. A new file changes only the shards next to it: a run
on changed input reuses the results that the change does not affect.
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


MODEL_SHARDS = 8


MODEL_SMALLEST, MODEL_LARGEST = 4 << 10, 128 * MIB


MODEL_FILES = ((1 << 10, 8), (100_000, 32))


MODEL_MOST_FILES = 128
"""As TARGETS, for shards that a model works on: (files up to this many, files of a shard)."""


MODEL_ROWS = 16
"""Rows of a shard cut out of a fragment whose rows are counted; more where it has more than this times MODEL_PARTS."""


MODEL_PARTS = 16
"""Shards that one fragment is divided among at most: each of them reads it up to its own rows."""


MODEL_LINES = (8, 2048)
"""Fewest and most rows of a shard of a file of lines, such as a list of paths of images."""


MODEL_LINE_SHARDS = 512
"""Between those limits, into how many shards such rows are cut."""


BOUNDARY = 8
"""After its minimum size a shard ends at the first file whose name's hash is divisible by this."""


@dataclass(frozen=True)
class ShardFragments:
    """Fragments of one source that are read, processed and committed together."""

    source: int
    fragments: tuple[Fragment, ...]
    rows: tuple[int, int] | None = None
    """Half-open range of the rows of its only fragment; None: all rows."""
    share: int = 1
    """How many shards its fragments are divided among."""

    @property
    def weight(self) -> int:
        """Bytes of input."""
        return sum(f.weight for f in self.fragments) // self.share

    def identity(self) -> list[Any]:
        """What of the input makes this shard what it is."""
        files = [[f.file.path, f.file.size, f.file.version, f.start, f.end] for f in self.fragments]
        return [self.source, files] if self.rows is None else [self.source, files, self.rows]

    def divided(self, rows: int, most: int) -> list[ShardFragments]:
        """At most `most` shards of consecutive rows of this one, whose only fragment has `rows` rows."""
        parts = max(1, min(most, rows))
        edges = [rows * part // parts for part in range(parts + 1)]
        return [ShardFragments(self.source, self.fragments, edge, parts) for edge in pairwise(edges)]


def model_target(total_bytes: int) -> int:
    """Bytes of input of one shard that a model works on: small ones, since a row costs so much more than its bytes."""
    wanted = max(MODEL_SMALLEST, total_bytes // MODEL_SHARDS)
    return int(min(MODEL_LARGEST, 1 << (wanted - 1).bit_length()))


def model_line_target(target: int, total_bytes: int, row_bytes: int) -> int:
    """As `model_target`, where rows are lines of about `row_bytes`: of a list of paths the bytes say nothing of the work."""
    least, most = MODEL_LINES
    rows = max(least, min(most, total_bytes // row_bytes // MODEL_LINE_SHARDS))
    return int(min(target, 1 << (rows * row_bytes - 1).bit_length()))


def model_fragments(files: int) -> int:
    """Files of one shard that a model works on: what an interrupted job repeats at most, times the units in flight."""
    return next((most for limit, most in MODEL_FILES if files <= limit), MODEL_MOST_FILES)


def shard_target(total_bytes: int) -> int:
    """Bytes of input of one shard, in coarse steps so that growing input rarely changes it."""
    return next((target for limit, target in TARGETS if total_bytes <= limit), LARGEST)


def pack(source: int, fragments: Iterable[Fragment], target: int, most: int = MAX_FRAGMENTS) -> list[ShardFragments]:
    """Group consecutive fragments into shards of `target`/2 to `target` bytes and at most `most` fragments.

    Small files end a shard where the hash of a name says so (content-defined chunking, as in rsync and restic).
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
        full = weight >= target or len(current) >= most
        if full or ((weight * 2 >= target or len(current) * 2 >= most) and _boundary(fragment)):
            cut()
    cut()
    return shards


def _boundary(fragment: Fragment) -> bool:
    return int(digest(fragment.file.path), 16) % BOUNDARY == 0
