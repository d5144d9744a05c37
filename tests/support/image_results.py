"""What steps on images do with given files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from datajob.errors import plain
from datajob.operators.base import Batch
from datajob.operators.media.steps import ImageFilter, ImageMap


def measure(step: ImageFilter, *images: bytes | None) -> list[float]:
    """The first measure of each image; NaN for one that fails."""
    found: list[float] = step.measures(batch(images))[step.measured()[0]].tolist()
    return found


def reasons(step: ImageFilter, *images: bytes | None) -> list[str | None]:
    """Why each image is rejected or fails; None for one that is kept."""
    rows = batch(images)
    verdict = step.keep(rows)
    decided = [None if code == 0 else verdict.reasons[code - 1] for code in verdict.codes.tolist()]
    return [plain(rows.failures[i]).partition(":")[0] if i in rows.failures else reason for i, reason in enumerate(decided)]


def change(step: ImageMap, *images: bytes | None) -> list[Any]:
    """The file of each image after the step, or the reason if it fails."""
    rows = batch(images)
    found = step.apply(rows).column("image").to_pylist()
    return [plain(rows.failures[i]).partition(":")[0] if i in rows.failures else file for i, file in enumerate(found)]


def batch(images: Sequence[bytes | None]) -> Batch:
    """A batch with a column of images."""
    return Batch(pa.table({"image": pa.array(list(images), pa.binary())}))
