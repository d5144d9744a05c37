"""Where a unit of work puts its rows: the sink, a stage file for the next phase, or an exchange between phases."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.api.report import WRITE
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.engine.exchange.blocks import BlockWriter, conform, typed
from datajob.engine.exchange.row_ids import JOB_ROWS, RowNumbers
from datajob.formats.base import OutputFile, ShardWriter, Writer
from datajob.operators.base import Batch, Deduplicate, Repartition

if TYPE_CHECKING:
    import pyarrow as pa


class OpenOutput(Protocol):
    """Takes the rows of one unit. Nothing has its final name before `close`."""

    def write(self, table: pa.Table, tally: Tally) -> None:
        """Append rows."""

    def close(self, tally: Tally) -> list[OutputFile]:
        """Put everything in place; the files of the result among it."""

    def abort(self) -> None:
        """Leave nothing; never raises."""


class Output(Protocol):
    """Opens an output for each unit."""

    def open(self, shard: Shard) -> OpenOutput:
        """The output of one unit; files are named after the unit, so that doing it again replaces them."""


@dataclass(frozen=True)
class SinkOutput:
    """The job's sink."""

    writer: Writer

    def open(self, shard: Shard) -> OpenOutput:
        """Files whose names begin with the unit's prefix."""
        return _OpenSink(self.writer, shard.prefix)


class _OpenSink:
    def __init__(self, writer: Writer, prefix: str) -> None:
        self._writer = writer
        self._prefix = prefix
        self._open: ShardWriter | None = None
        self._schema: pa.Schema | None = None

    def write(self, table: pa.Table, tally: Tally) -> None:
        counts = tally.step(WRITE)
        started = time.perf_counter()
        if self._open is None or self._schema is None:
            self._schema = typed(table.schema)
            self._open = self._writer.open(self._writer.path, self._prefix, self._schema)
        self._open.write(conform(table, self._schema))
        counts.rows_in += table.num_rows
        counts.rows_out += table.num_rows
        tally.measure("written", table)
        tally.sample(WRITE, None, table)
        counts.seconds += time.perf_counter() - started

    def close(self, tally: Tally) -> list[OutputFile]:
        if self._open is None:
            return []
        started = time.perf_counter()
        files = self._open.close()
        tally.step(WRITE).seconds += time.perf_counter() - started
        return files

    def abort(self) -> None:
        if self._open is not None:
            self._open.abort()


@dataclass(frozen=True)
class IntermediateOutput:
    """Rows as they are, for the next phase, with what a global step wants to know of them beside them.

    For a de-duplication that is the exchange of its signatures; for a sort, samples of its keys.
    """

    root: str
    folder: str
    step: str = ""
    deduplicate: Deduplicate | None = None
    sampled: Repartition | None = None
    partitions: int = 1
    numbers: RowNumbers = JOB_ROWS
    staged: bool = True
    """False where only what lies beside the rows is needed."""

    def rows_name(self, shard: Shard) -> str:
        """Block file of the unit's rows."""
        return f"{self.folder}/{shard.key}.rows.arrow"

    def side_name(self, shard: Shard) -> str:
        """Block file of its signatures or samples."""
        return f"{self.folder}/{shard.key}.side.arrow"

    def open(self, shard: Shard) -> OpenOutput:
        """Two block files named after the unit's key."""
        return _OpenStage(self, shard)


class _OpenStage:
    def __init__(self, stage: IntermediateOutput, shard: Shard) -> None:
        self._stage = stage
        self._rows = BlockWriter(stage.root, stage.rows_name(shard))
        self._side = BlockWriter(stage.root, stage.side_name(shard))
        self._next = stage.numbers.first(shard.index)

    def write(self, table: pa.Table, tally: Tally) -> None:
        if self._stage.staged:
            self._rows.write(table)
        started = time.perf_counter()
        if self._stage.deduplicate is not None:
            self._signatures(self._stage.deduplicate, table)
        if self._stage.sampled is not None:
            sample = self._stage.sampled.sample(Batch(table))
            if sample is not None:
                self._side.write(sample)
        self._next += table.num_rows
        if self._stage.step:
            tally.step(self._stage.step).seconds += time.perf_counter() - started

    def _signatures(self, operator: Deduplicate, table: pa.Table) -> None:
        import numpy as np
        import pyarrow as pa

        found = operator.signatures(Batch(table))
        rows = found.column("row").to_numpy().astype(np.int64) + self._next
        found = found.set_column(found.schema.get_field_index("row"), "row", pa.array(rows))
        keys = found.column("key").to_numpy()
        self._side.write_partitions(found, (keys % np.uint64(self._stage.partitions)).astype(np.int64), self._stage.partitions)

    def close(self, tally: Tally) -> list[OutputFile]:
        self._side.close()
        self._rows.close()
        return []

    def abort(self) -> None:
        self._side.abort()
        self._rows.abort()


@dataclass(frozen=True)
class ExchangeOutput:
    """Rows routed to the partitions of a repartition."""

    root: str
    folder: str
    step: str
    operator: Repartition
    source: int
    partitions: int
    samples: pa.Table | None = None

    def name(self, shard: Shard) -> str:
        """Exchange file of the unit."""
        return f"{self.folder}/{self.source}-{shard.key}.exchange.arrow"

    def open(self, shard: Shard) -> OpenOutput:
        """One exchange file named after the unit's key."""
        return _OpenExchange(self, BlockWriter(self.root, self.name(shard)))


class _OpenExchange:
    def __init__(self, exchange: ExchangeOutput, file: BlockWriter) -> None:
        self._exchange = exchange
        self._file = file

    def write(self, table: pa.Table, tally: Tally) -> None:
        started = time.perf_counter()
        e = self._exchange
        prepared = e.operator.prepare(Batch(table), e.source)
        self._file.write_partitions(prepared, e.operator.route(prepared, e.source, e.partitions, e.samples), e.partitions)
        counts = tally.step(e.step)
        counts.rows_in += table.num_rows if e.source == 0 else 0
        counts.seconds += time.perf_counter() - started

    def close(self, tally: Tally) -> list[OutputFile]:
        self._file.close()
        return []

    def abort(self) -> None:
        self._file.abort()
