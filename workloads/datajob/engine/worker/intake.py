"""Rows on their way from the input to the steps: reading is counted, bad records fail, and a decision is applied.

A decision is what a global step concluded about rows that were stored meanwhile: which rows to reject, or how many rows
to take. It is the first step of the stage that reads these rows.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.byte_files import cut_by_size, in_pieces
from datajob.engine.input.inputs import BATCH_BYTES, FragmentInput, Input
from datajob.engine.input.prefetch import BadRecord
from datajob.engine.worker.accounting import Accounting, passed_verdict
from datajob.engine.worker.chain import compact
from datajob.formats._exact import exact_concat
from datajob.formats.media_sizes import estimated_sizes
from datajob.operators.base import Batch, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_ROWS, MOST_ROWS = 16, 256
"""Rows of the first and of the largest table of a shard whose rows go through a model."""

COPIED_BYTES = 1 << 18
"""Tables of at most this size on average are copied to one."""

FAIL_TOGETHER = 256
"""Number of bad records that fail together."""


class ShardDecision(Protocol):
    """The decision about the rows of one shard."""

    def verdict(self, batch: Batch, start: int) -> Verdict | None:
        """The verdict on rows that start at position `start` in the shard; None: keep all of them."""


class Decision(Protocol):
    """The decision of a global step about the rows of a stage."""

    @property
    def step(self) -> str:
        """Name of the global step."""

    @property
    def counts_rows(self) -> bool:
        """True if the rows reach the global step only now; False if it has seen them before."""

    def of(self, shard: int) -> ShardDecision:
        """The decision about the rows of one shard."""


@dataclass(frozen=True)
class Intake:
    """The rows that a stage reads."""

    source: Input
    decision: Decision | None = None

    def tables(
        self, shard: Shard, accounting: Accounting, for_model: bool, new_files: Collection[tuple[str, str | None]] = ()
    ) -> Iterator[pa.Table]:
        """The rows of a shard in order, as tables of bounded size; `for_model`, also of few rows.

        Bytes that were stored apart from the rows are not read, but count toward the size. So do the files that rows refer to,
        if steps make new files of them, which the rows then contain (`new_files`: their columns and folders).
        """
        tables = self._read(shard, accounting)
        if self.decision is not None:
            tables = _decide(tables, self.decision, shard, accounting)
        for table in small_first(tables, BATCH_BYTES) if for_model else merge_small(tables, BATCH_BYTES):
            if isinstance(self.source, FragmentInput):
                accounting.tally.measure("read", table)
            for piece in in_pieces(table):
                yield from _by_files(piece, new_files)

    def _read(self, shard: Shard, accounting: Accounting) -> Iterator[pa.Table]:
        name = self.source.step
        reads_source = isinstance(self.source, FragmentInput)
        bad_records = _BadRecords(name or "", accounting)
        tables = self.source.tables(shard, bad_records.add)
        if name is None:
            yield from tables
            return
        counts = accounting.step(name)
        started = time.perf_counter()
        for table in tables:
            bad_records.fail()
            counts.seconds += time.perf_counter() - started
            counts.rows_out += table.num_rows
            if reads_source:  # rows of an exchange were counted when they were routed to their partitions
                counts.rows_in += table.num_rows
            yield table
            started = time.perf_counter()
        bad_records.fail()


class _BadRecords:
    """Collects bad records, which fail together: a call for each of them takes longer than reading it."""

    def __init__(self, step: str, accounting: Accounting) -> None:
        self._step, self._accounting = step, accounting
        self._waiting: list[BadRecord] = []

    def add(self, bad: BadRecord) -> None:
        """Collect a record. Raises InputError or RowsFailed under policy `fail`."""
        if bad.error is not None and self._accounting.policy == "fail":
            raise bad.error
        self._waiting.append(bad)
        if len(self._waiting) >= FAIL_TOGETHER or self._accounting.policy == "fail":
            self.fail()

    def fail(self) -> None:
        """Count and store the collected records."""
        import pyarrow as pa

        if not self._waiting:
            return
        records, self._waiting = self._waiting, []
        self._accounting.step(self._step).rows_in += len(records)
        rows = pa.table({"record": [bad.record for bad in records]})
        self._accounting.fail(self._step, [bad.reason for bad in records], rows)


def _decide(tables: Iterator[pa.Table], decision: Decision, shard: Shard, accounting: Accounting) -> Iterator[pa.Table]:
    """The rows that a decision keeps."""
    step, of_shard, start = decision.step, decision.of(shard.index), 0
    for table in tables:
        started = time.perf_counter()
        counts = accounting.step(step)
        counts.rows_in += table.num_rows if decision.counts_rows else 0
        passed = _apply(table, start, step, of_shard, accounting)
        start += table.num_rows
        counts.rows_out += passed.num_rows
        counts.seconds += time.perf_counter() - started
        if passed.num_rows:
            yield passed


def _apply(table: pa.Table, start: int, step: str, decision: ShardDecision, accounting: Accounting) -> pa.Table:
    import pyarrow as pa

    pieces, _ = accounting.isolate(step, lambda rows, offset: decision.verdict(rows, start + offset), Batch(table))
    passed = []
    for piece in pieces:
        rows = table.slice(piece.start, piece.stop - piece.start)
        if piece.failures:
            rows = rows.filter(pa.array(piece.passed))
        if piece.result is not None:
            rows = compact(accounting.decide(step, Batch(rows), passed_verdict(piece.result, piece))).table
        passed.append(rows)
    return passed[0] if len(passed) == 1 else exact_concat([table.slice(0, 0), *passed])


def _by_files(table: pa.Table, new_files: Collection[tuple[str, str | None]]) -> Iterator[pa.Table]:
    """The rows in pieces whose references stand for about BATCH_BYTES."""
    import numpy as np

    found = sorted(((name, folder) for name, folder in new_files if name in table.column_names), key=str)
    sizes = sum((estimated_sizes(table.column(name), folder) for name, folder in found), np.zeros(1, np.int64))
    yield from cut_by_size(table, sizes, BATCH_BYTES)


def merge_small(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Merge adjacent small tables into tables of up to about `size` bytes: some readers return one row at a time."""
    return _regroup(tables, size, itertools.repeat(None))


def small_first(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Like `merge_small`, with tables of FIRST_ROWS rows, then twice as many and so on, up to MOST_ROWS.

    A model can start after a few rows, and its queue is filled in small amounts.
    """
    return _regroup(tables, size, _doubling())


def _doubling() -> Iterator[int]:
    rows = FIRST_ROWS
    while True:
        yield rows
        rows = min(MOST_ROWS, 2 * rows)


def _regroup(tables: Iterator[pa.Table], size: int, limits: Iterator[int | None]) -> Iterator[pa.Table]:
    """Tables that end once they have the next limit of rows or about `size` bytes."""
    waiting: list[pa.Table] = []
    rows = held = 0
    limit = next(limits)
    for table in tables:
        while table.num_rows:
            part = table if limit is None else table.slice(0, limit - rows)
            table = table.slice(part.num_rows)
            waiting.append(part)
            rows, held = rows + part.num_rows, held + part.nbytes
            if held >= size // 2 or rows == limit:
                yield _one_table(waiting, held)
                waiting, rows, held, limit = [], 0, 0, next(limits)
    if waiting:
        yield _one_table(waiting, held)


def _one_table(tables: list[pa.Table], size: int) -> pa.Table:
    """The rows of all tables, of about `size` bytes. Small ones are copied: each operation takes time for each chunk."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    table = pa.concat_tables(tables)
    if size > COPIED_BYTES * len(tables):
        return table
    try:
        return table.combine_chunks()
    except pa.ArrowException:  # a type that Arrow cannot join
        return table
