"""One operator of each row-local kind that fails the rows whose number is below zero, and counts its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from datajob.operators.base import Batch, Device, Filter, FlatMap, Inferred, Map, Measures, Model, Observe, Verdict

CALLS: list[int] = []
"""The number of rows of each call."""


def numbers(batch: Batch) -> Any:
    """The numbers of a batch, after its bad rows failed."""
    CALLS.append(len(batch))
    found = batch.table.column("n").to_numpy()
    for row in np.flatnonzero(found < 0):
        batch.fail(row, f"negative: the number is {found[row]}")
    return found


class FailingFilter(Filter):
    """Keep even numbers."""

    def keep(self, batch: Batch) -> Verdict:
        found = numbers(batch)
        return Verdict((found % 2).astype(np.int8), ("odd",), {"half": pa.array(found // 2)})


class FailingInfallibleFilter(FailingFilter):
    infallible: ClassVar[bool] = True


class FailingMap(Map):
    def apply(self, batch: Batch) -> pa.Table:
        return batch.table.append_column("half", pa.array(numbers(batch) // 2))


class FailingFlatMap(FlatMap):
    def expand(self, batch: Batch) -> pa.Table:
        found = numbers(batch)
        return batch.table.take(pa.array(np.repeat(np.arange(len(found)), 2)[np.repeat(found, 2) >= 0]))


class FailingObserve(Observe):
    def observe(self, batch: Batch) -> Mapping[str, Measures]:
        return {"numbers": {"n": numbers(batch)}}


class FailingModel(Model):
    def accelerated(self) -> bool:
        return False

    def setup(self, device: Device) -> Any:
        return object()

    def infer(self, batch: Batch, model: Any, cache: Any = None) -> Inferred:
        return Inferred({"half": pa.array(numbers(batch) // 2)})
