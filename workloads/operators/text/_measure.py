"""Filters by one measure: bounds, a reason for each side, and the measure as a column if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.operators.base import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray


def measured(values: NDArray[Any], low: float, high: float, reasons: tuple[str, str], output: str | None) -> Verdict:
    """Keep the rows with `low <= value <= high`; `reasons` are those for below and above."""
    import numpy as np
    import pyarrow as pa

    codes = np.zeros(len(values), dtype=np.int8)
    codes[values < low] = 1
    codes[values > high] = 2
    return Verdict(codes, reasons, {output: pa.array(values)} if output else {})
