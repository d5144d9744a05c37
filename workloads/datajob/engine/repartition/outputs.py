"""Where rows go that change their shard: exchange files, and the samples that a sort needs first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.shard import Shard
from datajob.engine.counts.sources import count_tokens
from datajob.engine.exchange.blocks import BlockWriter
from datajob.engine.exchange.byte_files import ByteFile, Places
from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.isolate import isolate
from datajob.engine.worker.outputs import OpenOutput
from datajob.formats._exact import exact_concat
from datajob.formats.base import OutputFile
from datajob.operators.base import Batch, Order, Repartition

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """Samples of the rows, from which the ranges of the partitions are derived."""

    repartition: Step[Repartition]

    @property
    def step(self) -> str:
        """Name of the repartition."""
        return self.repartition.name

    def needs(self) -> Order | None:
        """The columns that the operator compares."""
        return self.repartition.operator.compares(0)

    def counted(self, table: pa.Table) -> bool:
        """No."""
        return False

    def extract(self, table: pa.Table, start: int, file: BlockWriter, shard: Shard, accounting: Accounting) -> pa.Table:
        """Write a sample of the rows. Returns the rows without those that cannot be sampled."""
        operator = self.repartition.operator
        pieces, passed = accounting.isolate(self.step, lambda rows, _: operator.sample(rows), Batch(table))
        for piece in pieces:
            if piece.result is not None:
                file.write(piece.result)
        return passed.table


@dataclass(frozen=True)
class ExchangeOutput:
    """Rows routed to the partitions of a repartition."""

    root: str
    folder: str
    repartition: Step[Repartition]
    source: int
    """0: the rows of the job; from 1 on: further sources of the step."""
    partitions: int
    samples: pa.Table | None = None
    counted: bool = False
    """True if the rows already reached the step, when they were sampled."""

    def name(self, shard: Shard) -> str:
        """Exchange file of a shard."""
        return f"{self.folder}/{self.source}-{shard.key}.exchange.arrow"

    def open(self, shard: Shard, accounting: Accounting, places: Places) -> OpenOutput:
        """One exchange file named after the key of the shard."""
        return _OpenExchange(self, self.name(shard), accounting, places)

    def needs(self) -> Order | None:
        """The columns that the operator compares."""
        return self.repartition.operator.compares(self.source)


class _OpenExchange:
    def __init__(self, output: ExchangeOutput, name: str, accounting: Accounting, places: Places) -> None:
        self._output = output
        self._file = BlockWriter(output.root, name)
        self._bytes = ByteFile(output.root, f"{name}.bytes", places)
        self._needs = output.needs()
        self._accounting = accounting

    def write(self, table: pa.Table) -> None:
        import numpy as np

        started = time.perf_counter()
        step, partitions = self._output.repartition.name, self._output.partitions
        moved = table if self._needs is None else self._bytes.store(table, keep=self._needs)
        pieces, bad = isolate(lambda rows, _: self._route(rows), Batch(moved))
        passed = self._accounting.without(step, bad, table)
        if len(pieces) == 1:
            prepared, parts = pieces[0].result
            self._file.write_partitions(prepared, parts, partitions)
        elif pieces:
            prepared = exact_concat([piece.result[0] for piece in pieces])
            self._file.write_partitions(prepared, np.concatenate([piece.result[1] for piece in pieces]), partitions)
        if self._output.source == 0 and (counted := self._output.repartition.operator.counted_tokens()):
            count_tokens(self._accounting.tally.of_sources(step), passed, counted)
        counts = self._accounting.step(step)
        if not self._output.counted:
            counts.rows_in += table.num_rows if self._output.source == 0 else table.num_rows - passed.num_rows
        counts.seconds += time.perf_counter() - started

    def _route(self, rows: Batch) -> tuple[pa.Table, NDArray[np.int64]]:
        """What has to move of the rows, and where to. Both together: the row that fails is a row of the job."""
        import numpy as np
        import pyarrow as pa

        output, operator = self._output, self._output.repartition.operator
        prepared = Batch(operator.prepare(rows, output.source))
        parts = operator.route(prepared, output.source, output.partitions, output.samples)
        if not prepared.failures:
            return prepared.table, parts
        origin = np.delete(np.arange(len(rows)), list(rows.failures))
        if len(origin) != len(prepared):
            raise TypeError("`route` cannot fail rows that `prepare` has combined")
        passed = np.ones(len(prepared), dtype=bool)
        for row, reason in prepared.failures.items():
            rows.fail(int(origin[row]), reason)
            passed[row] = False
        return prepared.table.filter(pa.array(passed)), parts[passed]

    def close(self) -> list[OutputFile]:
        self._bytes.close()
        self._file.close()
        return []

    def abort(self) -> None:
        self._bytes.abort()
        self._file.abort()
