"""A shard, and the key that identifies it across attempts. Pure and deterministic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Shard:
    """The part of a stage that is read, processed and committed as a whole."""

    index: int
    """Position in the stage, in the order of the input."""
    key: str
    """Hash of the fingerprint so far and of the input that the shard reads."""
    weight: int
    """Bytes of input, to measure progress."""

    @property
    def prefix(self) -> str:
        """Prefix of the names of its files; sorts in the order of the shards."""
        return f"part-{self.index:05}-{self.key[:10]}"


def digest(*parts: Any) -> str:
    """A stable hash (hex) of JSON-like values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_shards(fingerprint: str, identities: Sequence[Any], weights: Sequence[int]) -> list[Shard]:
    """One shard per identity. Its key changes with the fingerprint and with the identity."""
    return [
        Shard(i, digest(fingerprint, identity), max(1, weight))
        for i, (identity, weight) in enumerate(zip(identities, weights, strict=True))
    ]
