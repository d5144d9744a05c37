"""What happens to the rows of a shard: every row that a step rejects or fails on is counted and stored here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from datajob.engine.counts.shown import shown
from datajob.engine.counts.tally import StepTally, Tally
from datajob.engine.exchange.byte_files import all_restored
from datajob.engine.worker.isolate import BadRow, Piece, isolate
from datajob.engine.worker.rejects import CollectedRejects, RejectWriter
from datajob.errors import RowsFailed, marked, plain, private
from datajob.operators.base import Batch, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

R = TypeVar("R")
ROW_COLUMNS, ROW_CHARACTERS = 6, 120
"""Columns and characters per value of a failed row that an error message shows."""
ERROR_CHARACTERS = 300
"""Characters of the first error of a step that are kept."""


@dataclass
class Accounting:
    """Counts of one shard, and where its rejected and failed rows go."""

    policy: str
    """`errors.policy` of the job."""
    rejects: RejectWriter | CollectedRejects | None = None
    tally: Tally = field(default_factory=Tally)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The columns that steps read, for messages."""
    folders: Mapping[str, str | None] = field(default_factory=dict)
    """The columns that steps read as media, with the folder of their paths, for pictures in the report."""
    reached: Mapping[str, int] = field(default_factory=dict)
    """Rows of the shard that reached steps before those that are counted here."""

    def step(self, name: str) -> StepTally:
        """The counts of a step."""
        return self.tally.step(name)

    def decide(self, step: str, batch: Batch, verdict: Verdict) -> Batch:
        """The batch after a verdict. Rejected rows are counted and stored, and only marked in the batch."""
        import numpy as np

        before = batch.alive if batch.alive is not None else np.ones(len(batch), dtype=bool)
        codes = np.asarray(verdict.codes)
        hit = before & (codes > 0)
        if hit.any():
            self._reject(step, batch, hit, codes, verdict.reasons)
        keep = before & ~hit
        removed = self.step(step).removed_items
        for reason, items in verdict.removed.items():
            if count := int(items[keep].sum()):
                removed[reason] = removed.get(reason, 0) + count
        after = None if keep.all() else keep
        changed = {n: c for n, c in verdict.columns.items() if n not in batch.table.column_names or c is not batch.array(n)}
        if not changed:
            batch.alive = after
            return batch
        table = batch.table
        for name, column in changed.items():
            table = set_column(table, name, column)
        return Batch(table, after)

    def _reject(
        self, step: str, batch: Batch, hit: NDArray[np.bool_], codes: NDArray[np.integer[Any]], reasons: tuple[str, ...]
    ) -> None:
        import numpy as np
        import pyarrow as pa

        counts = self.step(step).rejected
        found = np.bincount(codes[hit], minlength=len(reasons) + 1)
        for code, reason in enumerate(reasons, start=1):
            if found[code]:
                counts[reason] = counts.get(reason, 0) + int(found[code])
                if self.tally.needs_sample(step, reason):
                    first = np.flatnonzero(hit & (codes == code))[:3]
                    self.tally.sample(step, reason, all_restored(batch.table.take(pa.array(first))), self.folders)
        if self.rejects is not None:
            names = pa.array(reasons).take(pa.array(codes[hit] - 1))
            self.rejects.rejected(step, names, batch.table.filter(pa.array(hit)))

    def isolate(self, step: str, call: Callable[[Batch, int], R], batch: Batch) -> tuple[list[Piece[R]], Batch]:
        """Run operator code on a batch. Returns the results, and the rows that did not fail.

        Rows fail that the operator fails with `Batch.fail`, or on which it raises.

        Raises RowsFailed under policy `fail`.
        """
        pieces, bad = isolate(call, batch)
        return pieces, Batch(self.without(step, bad, batch.table)) if bad else batch

    def without(self, step: str, bad: Sequence[BadRow], table: pa.Table, alive: NDArray[np.bool_] | None = None) -> pa.Table:
        """The table without its bad rows, which fail; only `alive` rows reached the step. Raises RowsFailed."""
        if not bad:
            return table
        import pyarrow as pa

        rows, row = (table.num_rows, bad[0].row) if alive is None else (int(alive.sum()), int(alive[: bad[0].row].sum()))
        before = self.reached.get(step, 0) + self.step(step).rows_in - rows
        first = before + row + 1 if before >= 0 else None
        self.fail(step, [b.error for b in bad], table.take(pa.array([b.row for b in bad])), first)
        return rows_but(table, bad)

    def mark_failed(self, step: str, batch: Batch) -> Batch:
        """The batch after an infallible filter: the remaining rows that it failed are only marked. Raises RowsFailed."""
        import numpy as np

        failed = {row: why for row, why in sorted(batch.failures.items()) if batch.alive is None or batch.alive[row]}
        if not failed:
            return batch
        self.without(step, [BadRow(row, why) for row, why in failed.items()], batch.table, batch.alive)
        batch.alive = np.ones(len(batch), dtype=bool) if batch.alive is None else batch.alive.copy()
        batch.alive[list(failed)] = False
        return batch

    def fail(self, step: str, errors: Sequence[str], rows: pa.Table, first: int | None = None) -> None:
        """Count and store failed rows. `first` is the number of the first one, from 1, among the rows that reached the step.

        Private parts of errors are marked; without marks, all of an error is private. Raises RowsFailed for policy `fail`.
        """
        errors = [error.encode("utf-8", "backslashreplace").decode() for error in errors]  # lone surrogates
        if self.policy == "fail":
            raise RowsFailed(self._message(step, errors[0], all_restored(rows.slice(0, 1)), first))
        counts = self.step(step)
        counts.failed += len(errors)
        counts.error = counts.error or marked(errors[0])[:ERROR_CHARACTERS]
        if self.rejects is not None:
            self.rejects.failed(step, [plain(error) for error in errors], rows)

    def _message(self, step: str, error: str, rows: pa.Table, first: int | None) -> str:
        columns = self.columns.get(step, ())
        where = f" (column{'s' if len(columns) > 1 else ''} {', '.join(columns)})" if columns else ""
        number = f" It is row {first} of those that reach the step in its shard." if first else ""
        row = {name: shown(rows.column(name), 0, ROW_CHARACTERS) for name in rows.column_names[:ROW_COLUMNS]}
        return (
            f"Step {step}{where} failed on a row: {marked(error)}.{number}{private(f' The row is {row}.')} "
            "Fix the step or the data, or set `errors.policy` to `drop` or `quarantine` to continue without failed rows."
        )


def passed_verdict(verdict: Verdict, piece: Piece[Any]) -> Verdict:
    """A verdict on the rows of a piece, without those that failed."""
    import numpy as np
    import pyarrow as pa

    if not piece.failures:
        return verdict
    passed = piece.passed
    columns = {name: column.filter(pa.array(passed)) for name, column in verdict.columns.items()}
    removed = {reason: items[passed] for reason, items in verdict.removed.items()}
    return Verdict(np.asarray(verdict.codes)[passed], verdict.reasons, columns, removed)


def rows_but(table: pa.Table, bad: Sequence[BadRow]) -> pa.Table:
    """The table without its bad rows."""
    import numpy as np
    import pyarrow as pa

    good = np.ones(table.num_rows, dtype=bool)
    good[[b.row for b in bad]] = False
    return table.filter(pa.array(good))


def set_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The table with a column added or replaced."""
    index = table.schema.get_field_index(name)
    return table.append_column(name, column) if index < 0 else table.set_column(index, name, column)
