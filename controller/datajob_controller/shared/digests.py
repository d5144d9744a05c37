"""Digests and depths of specs as stored."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 100
"""Specs that are nested more deeply are refused."""
_LENGTH = 16


def is_deeper_than(limit: int, value: Any) -> bool:
    """Whether `value` is nested too deeply for recursive functions."""
    level = [value]
    for _ in range(limit):
        level = [part for one in level for part in _children(one)]
    return bool(level)


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def digest(value: Any) -> str:
    canonical = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_LENGTH]


def _canonical(value: Any) -> Any:
    """`value` with 1.0 written as 1."""
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
