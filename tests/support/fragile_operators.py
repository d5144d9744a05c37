"""Global operators that raise on some rows, or fail them with `Batch.fail`, in one of their methods each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datajob.operators.base import Batch, Verdict
from datajob.operators.dedup._against import corpus_reader
from datajob.operators.dedup.exact_dedup import ExactDedup
from datajob.operators.dedup.minhash_dedup import MinhashDedup
from datajob.operators.table.group_by import GroupBy
from datajob.operators.table.shuffle import Shuffle
from datajob.operators.table.sort import Sort
from datajob.operators.table.top import Top


def is_bad(row: int) -> bool:
    """Whether the operators raise on the row with this ID."""
    return row % 100 == 13


def raise_for_bad(batch: Batch) -> Batch:
    """Raise if a row is bad."""
    for row in batch.table.column("id").to_pylist():
        if is_bad(row):
            raise ValueError(f"no row {row}")
    return batch


def fail_bad(batch: Batch) -> Batch:
    """Fail the bad rows; returns the others."""
    ids = batch.table.column("id").to_pylist()
    for position, row in enumerate(ids):
        if is_bad(row):
            batch.fail(position, f"ValueError: no row {row}")
    return Batch(batch.table.filter(pa.array([not is_bad(row) for row in ids], pa.bool_())))


class FragileSignatures(ExactDedup):
    refuse = staticmethod(raise_for_bad)

    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def signatures(self, batch: Batch) -> pa.Table:
        self.refuse(batch)
        return super().signatures(batch)


class FragileRemove(ExactDedup):
    refuse = staticmethod(raise_for_bad)

    def remove(self, batch: Batch, repeats: pa.Table) -> Verdict:
        self.refuse(batch)
        return super().remove(batch, repeats)


class MinhashWithId(MinhashDedup):
    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def side_sources(self) -> tuple[Any, ...]:
        return corpus_reader(self.against, self.inputs())


class FragileCandidates(MinhashWithId):
    refuse = staticmethod(raise_for_bad)

    def signatures(self, batch: Batch) -> pa.Table:
        self.refuse(batch)
        return super().signatures(batch)


class FragileEvidence(MinhashWithId):
    refuse = staticmethod(raise_for_bad)

    def evidence(self, batch: Batch) -> pa.Table:
        self.refuse(batch)
        return super().evidence(batch)


class FragileSample(Sort):
    refuse = staticmethod(raise_for_bad)

    def sample(self, batch: Batch) -> pa.Table | None:
        return super().sample(self.refuse(batch))


class FragilePrepare(GroupBy):
    refuse = staticmethod(raise_for_bad)

    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def prepare(self, batch: Batch, source: int) -> pa.Table:
        return super().prepare(self.refuse(batch), source)


class FragileRoute(Shuffle):
    refuse = staticmethod(raise_for_bad)

    def route(self, prepared: Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        self.refuse(prepared)
        route: Any = super().route(prepared, source, partitions, samples)
        return np.asarray(route)


class FragileRanks(Top):
    refuse = staticmethod(raise_for_bad)

    def ranks(self, batch: Batch) -> NDArray[np.float64]:
        self.refuse(batch)
        return super().ranks(batch)


class FailedSignatures(FragileSignatures):
    refuse = staticmethod(fail_bad)


class FailedRemove(FragileRemove):
    refuse = staticmethod(fail_bad)


class FailedCandidates(FragileCandidates):
    refuse = staticmethod(fail_bad)


class FailedEvidence(FragileEvidence):
    refuse = staticmethod(fail_bad)


class FailedSample(FragileSample):
    refuse = staticmethod(fail_bad)


class FailedPrepare(FragilePrepare):
    refuse = staticmethod(fail_bad)


class FailedRoute(FragileRoute):
    refuse = staticmethod(fail_bad)


class FailedRanks(FragileRanks):
    refuse = staticmethod(fail_bad)
