"""Where the rows of a shard go: the sink, or intermediate files for the next stage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.api.report import WRITE
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.sources import count_tokens
from datajob.engine.exchange.blocks import BlockWriter, conform, typed
from datajob.engine.exchange.byte_files import ByteFile, Places
from datajob.engine.worker.accounting import Accounting, rows_but
from datajob.engine.worker.isolate import BadRow
from datajob.formats._embedding import embedded, embedded_schema
from datajob.formats.base import OutputFile, ShardWriter, Writer
from datajob.operators.base import Order

if TYPE_CHECKING:
    import pyarrow as pa


class OpenOutput(Protocol):
    """Receives the rows of one shard. No file has its final name before `close`."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""

    def close(self) -> list[OutputFile]:
        """Move all files to their final names; returns those that are part of the result."""

    def abort(self) -> None:
        """Delete what was written. Never raises."""


class RowOutput(Protocol):
    """Where the rows of a stage go."""

    def needs(self) -> Order | None:
        """The columns whose bytes it needs, if the rows come without them; None: all columns."""

    def open(self, shard: Shard, accounting: Accounting, places: Places) -> OpenOutput:
        """The output of one shard. Files are named after the shard: running it again replaces them.

        `places` is where the bytes are that were read of rows that an earlier stage stored.
        """


@dataclass(frozen=True)
class SinkOutput:
    """The sink of the job."""

    writer: Writer

    def needs(self) -> None:
        """All columns are written."""

    def open(self, shard: Shard, accounting: Accounting, places: Places) -> OpenOutput:
        """Files whose names start with the prefix of the shard."""
        return _OpenSink(self.writer, shard.prefix, accounting)


class _OpenSink:
    def __init__(self, writer: Writer, prefix: str, accounting: Accounting) -> None:
        self._writer = writer
        self._prefix = prefix
        self._accounting = accounting
        self._open: ShardWriter | None = None
        self._schema: pa.Schema | None = None

    def write(self, table: pa.Table) -> None:
        counts = self._accounting.step(WRITE)
        started = time.perf_counter()
        columns = self._writer.embedded_columns(table.schema)
        if self._open is None or self._schema is None:
            self._schema = embedded_schema(typed(table.schema), columns)
            self._open = self._writer.open(self._writer.path, self._prefix, self._schema)
        counts.rows_in += table.num_rows
        for piece in embedded(table, columns, self._writer.stores_paths):
            bad = [BadRow(row, reason) for row, reason in sorted(piece.failed.items())]
            self._accounting.without(WRITE, bad, piece.before)
            rows = rows_but(piece.rows, bad) if bad else piece.rows
            self._open.write(conform(rows, self._schema))
            counts.rows_out += rows.num_rows
            self._accounting.tally.measure("written", rows)
            if counted := self._writer.counted_tokens():
                count_tokens(self._accounting.tally.of_sources(WRITE), rows, counted)
            self._accounting.tally.sample(WRITE, None, rows, self._accounting.folders)
        counts.seconds += time.perf_counter() - started

    def close(self) -> list[OutputFile]:
        if self._open is None:
            return []
        started = time.perf_counter()
        files = self._open.close()
        self._accounting.step(WRITE).seconds += time.perf_counter() - started
        return files

    def abort(self) -> None:
        if self._open is not None:
            self._open.abort()


class Companion(Protocol):
    """Extracts what a global step needs to know about the rows, such as signatures, while they are stored."""

    @property
    def step(self) -> str:
        """Name of the global step."""

    def needs(self) -> Order | None:
        """The columns whose bytes it needs; None: all columns."""

    def counted(self, table: pa.Table) -> bool:
        """Whether the rows were counted at the step before."""

    def extract(self, table: pa.Table, start: int, file: BlockWriter, shard: Shard, accounting: Accounting) -> pa.Table:
        """Write to `file` what is needed of rows from position `start` on; returns the rows on which this did not fail."""


@dataclass(frozen=True)
class IntermediateOutput:
    """Rows stored for the next stage, and a companion file with what a global step needs to know about them."""

    root: str
    folder: str
    companion: Companion | None = None
    stores_rows: bool = True
    """False if only the companion file is needed, since the rows can be read again from their source."""

    def needs(self) -> Order | None:
        """The columns that the companion needs."""
        return () if self.companion is None else self.companion.needs()

    def rows_name(self, shard: Shard) -> str:
        """Block file of the rows."""
        return f"{self.folder}/{shard.key}.rows.arrow"

    def companion_name(self, shard: Shard) -> str:
        """Block file of the companion."""
        return f"{self.folder}/{shard.key}.side.arrow"

    def open(self, shard: Shard, accounting: Accounting, places: Places) -> OpenOutput:
        """Two block files named after the key of the shard."""
        return _OpenIntermediate(self, shard, accounting, places)


class _OpenIntermediate:
    def __init__(self, output: IntermediateOutput, shard: Shard, accounting: Accounting, places: Places) -> None:
        self._output = output
        self._shard = shard
        self._accounting = accounting
        self._rows = BlockWriter(output.root, output.rows_name(shard))
        self._side = BlockWriter(output.root, output.companion_name(shard))
        self._bytes = ByteFile(output.root, f"{output.rows_name(shard)}.bytes", places)
        self._moves_bytes = output.needs() is None
        self._next = 0

    def write(self, table: pa.Table) -> None:
        companion, read = self._output.companion, table.num_rows
        if companion is not None:
            started, counted = time.perf_counter(), companion.counted(table)
            table = companion.extract(table, self._next, self._side, self._shard, self._accounting)
            counts = self._accounting.step(companion.step)
            if not counted:
                counts.rows_in += read if self._output.stores_rows else read - table.num_rows
            counts.seconds += time.perf_counter() - started
        if self._output.stores_rows and table.num_rows:
            self._rows.write(table if self._moves_bytes else self._bytes.store(table))
        self._next += table.num_rows if self._output.stores_rows else read

    def close(self) -> list[OutputFile]:
        self._side.close()
        self._bytes.close()
        self._rows.close()
        return []

    def abort(self) -> None:
        self._side.abort()
        self._bytes.abort()
        self._rows.abort()
