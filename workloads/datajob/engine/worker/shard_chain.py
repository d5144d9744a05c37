"""Applies the fused steps to the tables of a shard. A killed process loses little work, regardless of the cost of a step.

Work that takes seconds is stored in checkpoints. If the cost of a row is unknown, a table goes through the steps in slices
whose size depends on the time that they take. The results of its slices are joined again: what is written depends neither
on the time nor on what was stored.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from datajob.engine import journal
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.checkpoints import Checkpoints, Processed
from datajob.engine.worker.rejects import CollectedRejects, RejectWriter
from datajob.formats._exact import exact_concat

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_ROWS = 16
"""Rows of the first slice of a shard."""
GROWTH = 8
"""Maximum factor from one slice to the next."""
SLICE_SECONDS = 0.5
"""Time that a slice should take."""
JOURNAL_ROWS = 256
"""Approximate rows of a slice in a process that keeps a journal: slices must not depend on the time there."""

SHORTEST, LONGEST = 2.0, 20.0
"""Seconds between checkpoints. The interval grows with the duration of the shard, which limits the number of files."""
INTERVALS = 30
"""An interval is at most this fraction of the duration of the shard, within these limits."""
FREE_SECONDS = 30.0
"""Until then, results are stored only if that takes little of the time; afterwards, all of them are."""
SHARE = 0.02
"""Maximum share of the time for storing until then."""
STORE_SECONDS, STORE_BYTES_PER_SECOND = 0.01, 100e6
"""Estimated duration of storing."""
MAX_HELD = 32 << 20
"""Bytes of results that may wait to be stored. Beyond it, they are stored or, before FREE_SECONDS, discarded."""


def is_due(since: float, duration: float, held: int) -> bool:
    """Whether to store `held` bytes, `since` seconds after the last checkpoint and `duration` seconds after the start."""
    if since < min(LONGEST, max(SHORTEST, duration / INTERVALS)):
        return duration >= FREE_SECONDS and held > MAX_HELD
    return duration >= FREE_SECONDS or STORE_SECONDS + held / STORE_BYTES_PER_SECOND <= SHARE * since


class ShardChain:
    """The steps of one shard."""

    def __init__(
        self,
        new_chain: Callable[[Accounting], Chain],
        accounting: Accounting,
        rejects: RejectWriter,
        checkpoints: Checkpoints,
        call_rows: int | None,
    ) -> None:
        """`call_rows`: slices are multiples of it; None: tables are not sliced."""
        self._new_chain, self.accounting, self.rejects = new_chain, accounting, rejects
        self._checkpoints, self._call_rows = checkpoints, call_rows
        self._stored = checkpoints.stored()
        self._loaded: dict[int, Processed] = {}
        """Results of the last file that was read, by position."""
        self._waiting: list[Processed] = []
        """Results that are not stored."""
        self._began = self._saved = time.monotonic()
        self._position = 0
        self._reached: Counter[str] = Counter()
        """Rows that have reached each step."""
        self._slice = FIRST_ROWS
        """Rows of the next slice."""

    def apply(self, table: pa.Table) -> pa.Table:
        """The rows that the last step passes on of the next table of the shard."""
        start, self._position = self._position, self._position + table.num_rows
        before = self._reached.copy()
        results = list(self._results(table, start)) or [self._processed(table, start)]
        found = self._joined(results)
        if found is None:
            journal.at(f"{start} whole")
            self._reached = before
            results = [self._processed(table, start)]
            self._count(results[0])
            self._waiting = [*(result for result in self._waiting if result.start < start), *results]
            found = results[0].table
        for result in results:
            self.accounting.tally.add(result.tally)
        self.rejects.write(self._joined_rejects([result.rejects for result in results]))
        journal.at(f"after {self._position}")
        return found

    def forget(self) -> None:
        """Delete the checkpoints: the shard is committed."""
        if self._stored:
            self._checkpoints.forget()

    def _results(self, table: pa.Table, start: int) -> Iterator[Processed]:
        """Results of consecutive slices of a table, from checkpoints where there are any."""
        at, end = start, start + table.num_rows
        while at < end:
            result = self._from_checkpoint(at, end)
            if result is None:
                stop = min([end, at + self._slice_rows(at - start), *(known for known in self._stored if known > at)])
                journal.at(f"{at}")
                result = self._processed(table.slice(at - start, stop - at), at)
                self._keep(result)
            self._count(result)
            yield result
            at = result.stop

    def _count(self, result: Processed) -> None:
        self._reached.update({name: counts.rows_in for name, counts in result.tally.steps.items()})

    def _slice_rows(self, offset: int) -> int:
        """Rows of the next slice, which starts at `offset` in its table and ends at a multiple of `call_rows`."""
        if self._call_rows is None:
            return sys.maxsize
        unit, rows = self._call_rows, self._slice
        if journal.is_kept():
            rows = unit = -(-JOURNAL_ROWS // unit) * unit
        return max((offset + rows) // unit * unit - offset, unit - offset % unit)

    def _processed(self, rows: pa.Table, start: int) -> Processed:
        rejects = self.rejects.collector()
        accounting = Accounting(self.accounting.policy, rejects, columns=self.accounting.columns, reached=self._reached)
        chain = self._new_chain(accounting)
        began = time.perf_counter()
        table = chain.apply(rows)
        per_second = rows.num_rows / max(1e-6, time.perf_counter() - began)
        self._slice = max(1, min(int(per_second * SLICE_SECONDS), GROWTH * max(rows.num_rows, self._slice)))
        return Processed(start, start + rows.num_rows, table, accounting.tally, rejects, chain.mixed)

    # --- checkpoints ---

    def _from_checkpoint(self, at: int, end: int) -> Processed | None:
        """The stored result of the rows from a position on; None if there is none within the table."""
        if at in self._stored:
            self._loaded = {result.start: result for result in self._checkpoints.load(at, self._stored[at])}
        result = self._loaded.pop(at, None)
        return result if result is not None and result.stop <= end else None

    def _keep(self, result: Processed) -> None:
        """Keep a new result until the next checkpoint, and store it if that is due."""
        if result.table.num_rows and not result.table.num_columns:
            return  # the number of rows would be lost
        self._waiting.append(result)
        now, held = time.monotonic(), sum(each.bytes for each in self._waiting)
        if is_due(now - self._saved, now - self._began, held):
            self.save()
        elif held > MAX_HELD:
            self._waiting = []

    def save(self) -> None:
        """Store the results that wait: a file for each range of consecutive rows."""
        waiting, self._waiting = self._waiting, []
        while waiting:
            count = next((i for i in range(1, len(waiting)) if waiting[i].start != waiting[i - 1].stop), len(waiting))
            results, waiting = waiting[:count], waiting[count:]
            if self._checkpoints.store(results):
                self._stored[results[0].start] = results[-1].stop
        self._saved = time.monotonic()

    # --- the results of slices, joined ---

    def _joined(self, results: Sequence[Processed]) -> pa.Table | None:
        """The results of the slices of a table as one table.

        None if they depend on how the table is sliced, since their columns or types differ: then, it is processed as a whole.
        """
        import pyarrow as pa

        tables = [result.table for result in results if result.table.num_rows] or [results[0].table]
        if self._call_rows is None or not tables[0].num_columns:
            return tables[0] if len(results) == 1 else None
        names = tables[0].column_names
        if (len(results) > 1 and any(r.mixed for r in results)) or any(table.column_names != names for table in tables):
            return None
        try:
            return exact_concat(tables).combine_chunks()
        except pa.ArrowException:
            return None

    def _joined_rejects(self, found: Sequence[CollectedRejects]) -> CollectedRejects:
        """The rejected and failed rows of slices as those of one table: by step, and in the order of the rows."""
        import pyarrow as pa

        if self._call_rows is None:
            return CollectedRejects(rows=[row for each in found for row in each.rows])
        groups: dict[tuple[str, bool], list[tuple[str, list[str] | None, Any, Any]]] = {}
        for rows in (row for each in found for row in each.rows):
            groups.setdefault((rows[0], rows[1] is None), []).append(rows)
        joined = CollectedRejects()
        for (step, are_rejected), group in groups.items():
            try:
                table = exact_concat([rows for _, _, rows, _ in group]).combine_chunks()
            except pa.ArrowException:  # written in several files
                joined.rows += group
                continue
            if are_rejected:
                reasons = pa.concat_tables([reasons for _, _, _, reasons in group]).combine_chunks()
                joined.rows.append((step, None, table, reasons))
            else:
                joined.rows.append((step, [error for _, errors, _, _ in group for error in errors or []], table, None))
        return joined
