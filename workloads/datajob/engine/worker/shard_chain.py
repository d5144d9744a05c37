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
from datajob.engine.exchange.byte_files import stored_bytes
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.checkpoints import Checkpoints, Processed
from datajob.engine.worker.rejects import CollectedRejects, RejectWriter
from datajob.engine.worker.sharing import GaveUp, Patience, Share
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
UNKNOWN = -(1 << 62)
"""Number of rows that have reached a step, if others process earlier rows."""
MAX_HELD = 16 << 20
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
        weight: int = 0,
        patience: Patience | None = None,
    ) -> None:
        """`call_rows`: slices are multiples of it; None: tables are not sliced. `weight`: bytes of input of the shard."""
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
        self._per_second = 0.0
        """Rows of the last slice per second."""
        self._weight, self._patience = weight, patience
        self._read = 0
        """Bytes of the tables so far."""
        self._slices = self._chunks = 0

    def apply(self, table: pa.Table) -> pa.Table:
        """The rows that the last step passes on of the next table of the shard."""
        start, before = self._begin(table), self._reached.copy()
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

    def apply_share(self, table: pa.Table, share: Share) -> None:
        """Process the chunks of the next table that are in a share, and store the results."""
        start = self._begin(table)
        unit = self._call_rows
        rows = max(1, table.num_rows) if unit is None else -(-share.rows // unit) * unit
        for chunk in range(start, self._position, rows):
            first, last = max(chunk, share.start), min(chunk + rows, self._position)
            if first >= last:
                continue
            if self._chunks % share.of == share.number:
                self._store_results(table, start, first, last)
            self._chunks += 1

    def _store_results(self, table: pa.Table, start: int, first: int, last: int) -> None:
        """Process and store the rows of a range that are not stored."""
        at = first
        while at < last:
            covered = max((stop for known, stop in self._stored.items() if known <= at < stop), default=at)
            if covered > at:
                at = covered
                continue
            self._reached = Counter(dict.fromkeys(self.accounting.columns, UNKNOWN))
            self._reached.update(dict.fromkeys(list(self._reached)[:1], at - UNKNOWN))
            result = self._next_slice(table, start, at, last)
            self._waiting.append(result)
            if sum(each.bytes for each in self._waiting) > MAX_HELD:
                self.save()
            at = result.stop
        self.save()

    def _begin(self, table: pa.Table) -> int:
        """Position of the first row of the next table."""
        self._read += table.nbytes + stored_bytes(table)
        self._position += table.num_rows
        return self._position - int(table.num_rows)

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
                result = self._next_slice(table, start, at, end)
                self._keep(result)
                self._give_up_if_slow(result.stop)
            self._count(result)
            yield result
            at = result.stop

    def _count(self, result: Processed) -> None:
        self._reached.update({name: counts.rows_in for name, counts in result.tally.steps.items()})

    def _next_slice(self, table: pa.Table, start: int, at: int, end: int) -> Processed:
        """The results of a slice from a position on, which ends before `end` and before what is stored."""
        stop = min([end, at + self._slice_rows(at - start), *(known for known in self._stored if known > at)])
        journal.at(f"{at}")
        self._slices += 1
        return self._processed(table.slice(at - start, stop - at), at)

    def _give_up_if_slow(self, at: int) -> None:
        """Raise GaveUp if others can help. The first slice is no measure, because it includes imports."""
        if self._patience is None or self._slices < 2:
            return
        rows = self._position - at + max(0, self._weight - self._read) * self._position / max(1, self._read)
        if self._patience(time.monotonic() - self._began, rows / self._per_second) and self.save():
            raise GaveUp(at, self._per_second, rows / self._per_second)

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
        outer = self.accounting
        accounting = Accounting(outer.policy, rejects, columns=outer.columns, folders=outer.folders, reached=self._reached)
        chain = self._new_chain(accounting)
        began = time.perf_counter()
        table = chain.apply(rows)
        self._per_second = max(1, rows.num_rows) / max(1e-6, time.perf_counter() - began)
        self._slice = max(1, min(int(self._per_second * SLICE_SECONDS), GROWTH * max(rows.num_rows, self._slice)))
        return Processed(start, start + rows.num_rows, table, accounting.tally, rejects, chain.mixed)

    # --- checkpoints ---

    def _from_checkpoint(self, at: int, end: int) -> Processed | None:
        """The stored result of the rows from a position on; None if there is none within the table."""
        if at in self._stored:
            self._loaded = {result.start: result for result in self._checkpoints.load(at, self._stored[at])}
        result = self._loaded.pop(at, None)
        if result is None or result.stop > end:
            return None
        result.tally.reuse_models()
        return result

    def _keep(self, result: Processed) -> None:
        """Keep a new result until the next checkpoint, and store it if that is due."""
        self._waiting.append(result)
        now, held = time.monotonic(), sum(each.bytes for each in self._waiting)
        if is_due(now - self._saved, now - self._began, held):
            self.save()
        elif held > MAX_HELD:
            self._waiting = []

    def save(self) -> bool:
        """Store the results that wait: a file for each range of consecutive rows. False if some cannot be stored."""
        waiting, self._waiting, complete = self._waiting, [], True
        while waiting:
            count = next((i for i in range(1, len(waiting)) if waiting[i].start != waiting[i - 1].stop), len(waiting))
            results, waiting = waiting[:count], waiting[count:]
            if self._checkpoints.store(results):
                self._stored[results[0].start] = results[-1].stop
            else:
                complete = False
        self._saved = time.monotonic()
        return complete

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
