"""Users' code as part of what a job is: a change of it is noticed like a change of a parameter."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path


def source_digest(module: str) -> str | None:
    """A digest of the module's file; None when there is none. What the module itself imports is not looked at."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
