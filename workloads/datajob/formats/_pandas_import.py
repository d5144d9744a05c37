"""Whether pyarrow imports pandas, which takes longer than all other imports of a small run together.

pyarrow imports pandas at the first conversion of a list to an array, only to recognize its objects.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

_postponed = False


class _Hidden:
    """A finder for which pandas is not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        """Raise ModuleNotFoundError for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def postpone_pandas() -> None:
    """Let pyarrow not import pandas in this process. It then does not recognize its objects until `recognize_pandas`."""
    global _postponed
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    _postponed = True
    hidden: Any = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)


def recognize_pandas() -> None:
    """Let pyarrow recognize the objects of pandas if it is installed, as it does by default: user code may rely on it."""
    if not _postponed:
        return
    import pyarrow as pa

    try:
        pa.table({}).to_pandas()
    except ImportError:
        return
