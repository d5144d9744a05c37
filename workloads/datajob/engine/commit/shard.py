"""Units of work: how the listed input is cut in shards, and the key by which a finished unit is recognised.

Pure and deterministic. The cut depends on the listing alone (never on the size of the cluster), and a new file moves
only the shards next to it, so that a run on changed input keeps what the change does not touch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Shard:
    """One committable piece of a phase."""

    index: int
    key: str
    weight: int

    @property
    def prefix(self) -> str:
        """Beginning of the names of its files; sorts in the order of the units."""
        return f"part-{self.index:05}-{self.key[:10]}"


def digest(*parts: Any) -> str:
    """A stable hash (hex) of JSON-like values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_shards(recipe: str, identities: Sequence[Any], weights: Sequence[int]) -> list[Shard]:
    """One unit per identity; its key changes with the recipe or with what it reads."""
    return [
        Shard(i, digest(recipe, what), max(1, weight)) for i, (what, weight) in enumerate(zip(identities, weights, strict=True))
    ]
