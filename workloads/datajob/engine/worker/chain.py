"""The fused pass: row-local steps applied to one Arrow table after another, with counts, reasons and isolated failures.

Rows that infallible filters drop are only marked; the table is copied when a step needs it, or when most rows are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from datajob.engine.counts.tally import Tally
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_registry
from datajob.engine.worker.isolate import BadRow, Piece, isolate
from datajob.engine.worker.model_output_cache import ModelOutputCache
from datajob.errors import InvalidJob, RowsFailed
from datajob.formats._exact import exact_concat
from datajob.operators.base import Batch, Filter, FlatMap, Map, Model, Observe, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

COMPACT_BELOW = 0.1
"""Copy the table once fewer than this share of its rows are left: filters skip dropped rows, and what they derived of the table
(words, say) would have to be derived again of the copy."""


RUN = 100
"""Mean length of runs of kept rows from which slicing beats copying."""


LONGEST_ERROR = 300
"""Characters of the error that the report quotes."""


class Dropped(Protocol):
    """Receives rows that leave the job on the way."""

    def rejected(self, step: str, reasons: pa.Array, rows: pa.Table) -> None:
        """Rows that a step dropped, each with its reason."""

    def failed(self, step: str, errors: Sequence[str], rows: pa.Table) -> None:
        """Rows that made a step fail."""


@dataclass
class Chain:
    """Applies `steps` to tables. `policy` is `errors.policy` of the job."""

    steps: Sequence[Step]
    policy: str
    dropped: Dropped | None = None
    tally: Tally = field(default_factory=Tally)
    answers: ModelOutputCache | None = None
    """Where models keep what they said, until the rows are committed."""

    def apply(self, table: pa.Table) -> pa.Table:
        """The rows of `table` that come out of the last step."""
        batch = Batch(table)
        for step in self.steps:
            started = time.perf_counter()
            counts = self.tally.step(step.name)
            if not isinstance(step.operator, Filter) or not step.operator.infallible or _mostly_gone(batch):
                batch = compact(batch)
            counts.rows_in += alive_rows(batch)
            batch = self._run(step, batch)
            counts.rows_out += alive_rows(batch)
            counts.seconds += time.perf_counter() - started
        return compact(batch).table

    def _run(self, step: Step, batch: Batch) -> Batch:
        operator = step.operator
        if isinstance(operator, Filter):
            return self._filter(step, operator, batch)
        if isinstance(operator, Map):
            return Batch(self._tables(step, batch, operator.apply))
        if isinstance(operator, FlatMap):
            return Batch(self._tables(step, batch, operator.expand))
        if isinstance(operator, Model):
            return self._infer(step, operator, batch)
        if isinstance(operator, Observe):
            return self._observe(step, operator, batch)
        raise TypeError(f"{operator.key} is no row-local operator")

    def _infer(self, step: Step, operator: Model, batch: Batch) -> Batch:
        with model_registry.release_slot():
            inferred = model_registry.run(operator, batch, self.tally, self.answers.of(step.name) if self.answers else None)
        table = batch.table
        for name, column in inferred.columns.items():
            table = _set_column(table, name, column)
        bad = [BadRow(row, reason) for row, reason in sorted(inferred.failed.items())]
        good = self._without(step, batch, bad)
        return Batch(table) if good is batch else Batch(_rows_but(table, bad))

    def _observe(self, step: Step, operator: Observe, batch: Batch) -> Batch:
        pieces, bad = isolate(
            lambda t: operator.observe(batch if t.num_rows == len(batch) else Batch(t)),  # all of them: share what is derived
            batch.table,
        )
        for piece in pieces:
            self.tally.observe(step.name, piece.result)
        return self._without(step, batch, bad)

    def _filter(self, step: Step, operator: Filter, batch: Batch) -> Batch:
        if operator.infallible:
            verdict, ok = operator.keep(batch), batch
        else:
            pieces, bad = isolate(lambda t: operator.keep(Batch(t)), batch.table)
            ok = self._without(step, batch, bad)
            verdict = _join_verdicts(pieces)
        return self.decide(step, ok, verdict)

    def decide(self, step: Step, batch: Batch, verdict: Verdict) -> Batch:
        """The batch after `verdict`, with its dropped rows counted, handed on and marked."""
        import numpy as np

        before = batch.alive if batch.alive is not None else np.ones(len(batch), dtype=bool)
        codes = np.asarray(verdict.codes)
        hit = before & (codes > 0)
        if hit.any():
            self._reject(step, batch, hit, codes, verdict.reasons)
        keep = before & ~hit
        after = None if keep.all() else keep
        changed = {n: c for n, c in verdict.columns.items() if n not in batch.table.column_names or c is not batch.array(n)}
        if not changed:
            batch.alive = after
            return batch
        table = batch.table
        for name, column in changed.items():
            table = _set_column(table, name, column)
        return Batch(table, after)

    def _reject(
        self, step: Step, batch: Batch, hit: NDArray[np.bool_], codes: NDArray[np.integer[Any]], reasons: tuple[str, ...]
    ) -> None:
        import numpy as np
        import pyarrow as pa

        counts = self.tally.step(step.name).rejected
        found = np.bincount(codes[hit], minlength=len(reasons) + 1)
        for code, reason in enumerate(reasons, start=1):
            if found[code]:
                counts[reason] = counts.get(reason, 0) + int(found[code])
                if self.tally.needs_sample(step.name, reason):
                    first = np.flatnonzero(hit & (codes == code))[:3]
                    self.tally.sample(step.name, reason, batch.table.take(pa.array(first)))
        if self.dropped is not None:
            names = pa.array(reasons).take(pa.array(codes[hit] - 1))
            self.dropped.rejected(step.name, names, batch.table.filter(pa.array(hit)))

    def _tables(self, step: Step, batch: Batch, call: Callable[[Batch], pa.Table]) -> pa.Table:
        import pyarrow as pa

        pieces, bad = isolate(lambda t: call(Batch(t)), batch.table)
        self._without(step, batch, bad)
        if len(pieces) == 1:
            return pieces[0].result
        if not pieces:  # every row failed: learn the columns from no rows
            return call(Batch(batch.table.slice(0, 0)))
        try:
            return exact_concat([p.result for p in pieces])
        except pa.ArrowException as error:
            raise InvalidJob(
                f"Step {step.name}: {error}. Give the column one type, in `types` of the step for example."
            ) from error

    def _without(self, step: Step, batch: Batch, bad: list[BadRow]) -> Batch:
        """`batch` without its bad rows, which are counted and handed on as the policy says."""
        if not bad:
            return batch
        import pyarrow as pa

        rows = batch.table.take(pa.array([b.row for b in bad]))
        fail_rows(self.policy, step.name, [b.error for b in bad], rows, self.tally, self.dropped)
        return Batch(_rows_but(batch.table, bad))


def _rows_but(table: pa.Table, bad: Sequence[BadRow]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    good = np.ones(table.num_rows, dtype=bool)
    good[[b.row for b in bad]] = False
    return table.filter(pa.array(good))


def fail_rows(policy: str, step: str, errors: Sequence[str], rows: pa.Table, tally: Tally, dropped: Dropped | None) -> None:
    """Count failed rows and hand them on. Raises RowsFailed under policy `fail`."""
    if policy == "fail":
        from datajob.engine.counts.tally import shorten

        row = {name: shorten(rows.column(name)[0].as_py())[:120] for name in rows.column_names[:6]}
        raise RowsFailed(
            f"Step {step} failed on a row: {errors[0]}. The row is {row}. "
            "Correct the step or the data, or set `errors.policy` to `drop` or `quarantine` to go on without such rows."
        )
    counts = tally.step(step)
    counts.failed += len(errors)
    counts.error = counts.error or errors[0][:LONGEST_ERROR]
    if dropped is not None:
        dropped.failed(step, errors, rows)


def alive_rows(batch: Batch) -> int:
    """Rows of the batch that are still in the job."""
    return len(batch) if batch.alive is None else int(batch.alive.sum())


def compact(batch: Batch) -> Batch:
    """The batch with only its rows that are still in the job."""
    if batch.alive is None:
        return batch
    return Batch(_reused(batch.table, batch.alive))


def _reused(table: pa.Table, alive: NDArray[np.bool_]) -> pa.Table:
    """The rows that are alive: as slices of the table where they come in long runs, else copied."""
    import numpy as np
    import pyarrow as pa

    edges = np.flatnonzero(np.diff(alive, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts) or len(starts) * RUN > table.num_rows:
        return table.filter(pa.array(alive))
    return pa.concat_tables([table.slice(a, b - a) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])


def _mostly_gone(batch: Batch) -> bool:
    return batch.alive is not None and alive_rows(batch) < COMPACT_BELOW * len(batch)


def _set_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.append_column(name, column) if index < 0 else table.set_column(index, name, column)


def _join_verdicts(pieces: Sequence[Piece[Verdict]]) -> Verdict:
    import numpy as np
    import pyarrow as pa

    if len(pieces) == 1:
        return pieces[0].result
    reasons = tuple(dict.fromkeys(r for p in pieces for r in p.result.reasons))
    codes = []
    for piece in pieces:
        mapping = np.array([0, *(reasons.index(r) + 1 for r in piece.result.reasons)], dtype=np.int32)
        codes.append(mapping[np.asarray(piece.result.codes)])
    names = list(pieces[0].result.columns) if pieces else []
    columns = {n: pa.concat_arrays([_array(p.result.columns[n]) for p in pieces]) for n in names}
    return Verdict(np.concatenate(codes) if codes else np.zeros(0, dtype=np.int32), reasons, columns)


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
