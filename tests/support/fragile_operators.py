"""Global operators that raise on some rows, in one of their methods each."""

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


def is_bad(row: int) -> bool:
    """Whether the operators raise on the row with this ID."""
    return row % 100 == 13


def refuse(table: pa.Table) -> None:
    """Raise if a row is bad."""
    for row in table.column("id").to_pylist():
        if is_bad(row):
            raise ValueError(f"no row {row}")


class FragileSignatures(ExactDedup):
    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def signatures(self, batch: Batch) -> pa.Table:
        refuse(batch.table)
        return super().signatures(batch)


class FragileRemove(ExactDedup):
    def remove(self, batch: Batch, repeats: pa.Table) -> Verdict:
        refuse(batch.table)
        return super().remove(batch, repeats)


class MinhashWithId(MinhashDedup):
    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def side_sources(self) -> tuple[Any, ...]:
        return corpus_reader(self.against, self.inputs())


class FragileCandidates(MinhashWithId):
    def signatures(self, batch: Batch) -> pa.Table:
        refuse(batch.table)
        return super().signatures(batch)


class FragileEvidence(MinhashWithId):
    def evidence(self, batch: Batch) -> pa.Table:
        refuse(batch.table)
        return super().evidence(batch)


class FragileSample(Sort):
    def sample(self, batch: Batch) -> pa.Table | None:
        refuse(batch.table)
        return super().sample(batch)


class FragilePrepare(GroupBy):
    def inputs(self) -> tuple[str, ...]:
        return ("id", *super().inputs())

    def prepare(self, batch: Batch, source: int) -> pa.Table:
        refuse(batch.table)
        return super().prepare(batch, source)


class FragileRoute(Shuffle):
    def route(self, table: pa.Table, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        refuse(table)
        route: Any = super().route(table, source, partitions, samples)
        return np.asarray(route)
