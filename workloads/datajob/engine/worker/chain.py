"""Applies fused row-local steps to one Arrow table after another.

Rows that infallible filters reject are only marked. The table is copied when a step needs it, or when most rows are gone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from datajob.engine.counts.sources import count_tokens
from datajob.engine.exchange.byte_files import Places, with_bytes
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_calls
from datajob.engine.worker.accounting import Accounting, passed_verdict, rows_but, set_column
from datajob.engine.worker.isolate import BadRow, Piece
from datajob.engine.worker.model_outputs import ShardModelOutputs
from datajob.errors import InvalidJob, private
from datajob.formats._exact import exact_concat
from datajob.formats._stored_bytes import contains
from datajob.operators.base import Batch, Filter, FlatMap, Map, Measures, Model, ModelFilter, Observe, Operator, Verdict
from datajob.operators.media.bases import MediaColumn, MediaSplit, MediaStep
from datajob.operators.media.sections import Section, sections

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

COMPACT_BELOW = 0.1
"""Copy the table once fewer than this share of its rows remain. Until then, filters skip rejected rows, and data derived from
the table (such as words) stays valid; it would have to be derived again from the copy."""
RUN = 100
"""Mean length of runs of remaining rows from which slicing is faster than copying."""


@dataclass
class Chain:
    """The fused steps of a stage, for one shard."""

    steps: Sequence[Step[Operator]]
    accounting: Accounting
    model_outputs: ShardModelOutputs | None = None
    """Where models store their outputs until the shard is committed."""
    places: Places = field(default_factory=Places)
    """Where the bytes are that steps have read."""
    mixed: bool = False
    """True once rows failed because the results of a step have several types: which rows fail depends on the others."""

    def apply(self, table: pa.Table) -> pa.Table:
        """The rows that the last step passes on."""
        batch = Batch(table)
        for start, end in sections([step.operator for step in self.steps]):
            steps = self.steps[start:end]
            batch = self._with_bytes(steps, batch)
            batch = self._section(steps, batch) if isinstance(steps[0].operator, MediaStep) else self._single(steps[0], batch)
        return compact(batch).table

    def _with_bytes(self, steps: Sequence[Step[Operator]], batch: Batch) -> Batch:
        """The batch with the bytes that the steps need. Those of rejected rows are not read."""
        needed = [step.operator.compared() for step in steps]
        columns = None if None in needed else [name for names in needed for name in names or ()]
        if not any(contains(f.type, True) for f in batch.table.schema if columns is None or f.name in columns):
            return batch
        return Batch(with_bytes(compact(batch).table, columns, self.places))

    def _single(self, step: Step[Operator], batch: Batch) -> Batch:
        """The rows that a step passes on."""
        started = time.perf_counter()
        counts = self.accounting.step(step.name)
        if not isinstance(step.operator, Filter) or not step.operator.infallible or _mostly_gone(batch):
            batch = compact(batch)
        counts.rows_in += alive_rows(batch)
        batch = self._run(step, batch)
        counts.rows_out += alive_rows(batch)
        counts.seconds += time.perf_counter() - started
        return batch

    def _section(self, steps: Sequence[Step[Operator]], batch: Batch) -> Batch:
        """The rows that the last of adjacent steps on the same media passes on. Until then, the others are only marked."""
        started = time.perf_counter()
        batch = compact(batch)
        found = Section(tuple(step.operator for step in steps if isinstance(step.operator, MediaStep))).run(batch)
        shared = (time.perf_counter() - started) / len(steps)
        parts: pa.Table | None = None
        for number, step in enumerate(steps):
            started = time.perf_counter()
            counts = self.accounting.step(step.name)
            counts.rows_in += alive_rows(batch)
            batch.failures = {}
            verdict = found.verdict(number, batch)
            if isinstance(step.operator, MediaSplit):  # the last one
                parts = step.operator.split(batch, found.changed(batch.table), found.values(number))
            batch = self.accounting.decide(step.name, self.accounting.mark_failed(step.name, batch), verdict)
            if not isinstance(step.operator, MediaColumn):  # rows pass when they are known not to be duplicates
                counts.rows_out += alive_rows(batch) if parts is None else parts.num_rows
            counts.seconds += shared + time.perf_counter() - started
        return Batch(found.changed(batch.table), batch.alive) if parts is None else Batch(parts)

    def _run(self, step: Step[Operator], batch: Batch) -> Batch:
        operator = step.operator
        if isinstance(operator, Model):
            return self._infer(Step(step.name, operator), batch)
        if isinstance(operator, Filter):
            return self._filter(step.name, operator, batch)
        if isinstance(operator, Map):
            table = self._tables(step.name, batch, operator.apply, aligned=True)
            if counted := operator.counted_tokens():
                count_tokens(self.accounting.tally.of_sources(step.name), table, counted)
            return Batch(table)
        if isinstance(operator, FlatMap):
            return Batch(self._tables(step.name, batch, operator.expand, aligned=False))
        if isinstance(operator, Observe):
            return self._observe(step.name, operator, batch)
        raise TypeError(f"{operator.key} is not a row-local operator")

    def _infer(self, step: Step[Model], batch: Batch) -> Batch:
        inferred = model_calls.infer(step, batch, self.accounting.tally, self.model_outputs)
        table = batch.table
        for name, column in inferred.columns.items():
            table = set_column(table, name, column)
        bad = [BadRow(row, reason) for row, reason in sorted(inferred.failed.items())]
        self.accounting.without(step.name, bad, batch.table)
        passed = Batch(rows_but(table, bad) if bad else table)
        if not isinstance(step.operator, ModelFilter):
            return passed
        return self._decide_by_outputs(step.name, step.operator, passed, tuple(inferred.columns))

    def _decide_by_outputs(self, step: str, operator: ModelFilter, batch: Batch, columns: Sequence[str]) -> Batch:
        """Decide rows by the outputs of a model. Columns that are not among the outputs of the step are removed."""
        pieces, passed = self.accounting.isolate(step, lambda rows, _: operator.keep(rows), batch)
        kept = operator.outputs(()) or ()
        table = passed.table.drop_columns([name for name in columns if name not in kept])
        return self.accounting.decide(step, Batch(table), _join_verdicts(pieces))

    def _observe(self, step: str, operator: Observe, batch: Batch) -> Batch:
        pieces, passed = self.accounting.isolate(step, lambda rows, _: operator.observe(rows), batch)
        for piece in pieces:
            self.accounting.tally.observe(step, _passed_measures(piece))
        return passed

    def _filter(self, step: str, operator: Filter, batch: Batch) -> Batch:
        if operator.infallible:
            batch.failures = {}
            try:
                verdict = operator.keep(batch)
            except ValueError:  # a value that is not valid text: find its row
                batch = compact(batch)
            else:
                return self.accounting.decide(step, self.accounting.mark_failed(step, batch), verdict)
        pieces, passed = self.accounting.isolate(step, lambda rows, _: operator.keep(rows), batch)
        return self.accounting.decide(step, passed, _join_verdicts(pieces))

    def _tables(self, step: str, batch: Batch, call: Callable[[Batch], pa.Table], *, aligned: bool) -> pa.Table:
        """The rows that an operator returns; `aligned`: one for each row, those of failed rows included."""
        import pyarrow as pa

        pieces, _ = self.accounting.isolate(step, lambda rows, _: call(rows), batch)
        if aligned:
            pieces = [_passed_rows(step, piece) for piece in pieces]
        if len(pieces) == 1:
            return pieces[0].result
        if not pieces:  # every row failed: learn the columns from no rows
            return call(Batch(batch.table.slice(0, 0)))
        try:
            return exact_concat([p.result for p in pieces])
        except pa.ArrowException:
            return self._of_one_type(step, batch, pieces)

    def _of_one_type(self, step: str, batch: Batch, pieces: Sequence[Piece[pa.Table]]) -> pa.Table:
        """The results whose columns have one type; the rows of the others fail. The type is that of most rows."""
        import pyarrow as pa

        self.mixed = True
        rows_by_schema = Counter[str]()
        for piece in pieces:
            rows_by_schema[str(piece.result.schema)] += piece.stop - piece.start
        common: pa.Table | None = None
        passed: list[Piece[pa.Table]] = []
        bad: list[BadRow] = []
        for piece in sorted(pieces, key=lambda piece: (-rows_by_schema[str(piece.result.schema)], piece.start)):
            try:
                common = exact_concat([piece.result if common is None else common, piece.result]).slice(0, 0)
            except pa.ArrowException as error:
                reason = f"{error}. Set one type for the column, for example in `types` of the step"
                bad += [BadRow(row, reason) for row in range(piece.start, piece.stop)]
            else:
                passed.append(piece)
        self.accounting.without(step, sorted(bad, key=lambda found: found.row), batch.table)
        try:
            return exact_concat([piece.result for piece in sorted(passed, key=lambda piece: piece.start)])
        except pa.ArrowException as error:
            raise InvalidJob(
                f"Step {step} returns several types for a column{private(f': {error}')}. "
                "Set one type for the column, for example in `types` of the step."
            ) from error


def alive_rows(batch: Batch) -> int:
    """Number of rows that no filter has rejected."""
    return len(batch) if batch.alive is None else int(batch.alive.sum())


def compact(batch: Batch) -> Batch:
    """The batch without rejected rows."""
    if batch.alive is None:
        return batch
    return Batch(_remaining(batch.table, batch.alive))


def _remaining(table: pa.Table, alive: NDArray[np.bool_]) -> pa.Table:
    """The rows that are alive: slices of the table if they form long runs, otherwise a copy."""
    import numpy as np
    import pyarrow as pa

    edges = np.flatnonzero(np.diff(alive, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts) or len(starts) * RUN > table.num_rows:
        return table.filter(pa.array(alive))
    return pa.concat_tables([table.slice(a, b - a) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])


def _mostly_gone(batch: Batch) -> bool:
    return batch.alive is not None and alive_rows(batch) < COMPACT_BELOW * len(batch)


def _passed_rows(step: str, piece: Piece[pa.Table]) -> Piece[pa.Table]:
    """What a Map returned for the rows that did not fail. Raises InvalidJob if it returned another number of rows."""
    import pyarrow as pa

    if piece.result.num_rows != piece.stop - piece.start:
        raise InvalidJob(
            f"Step {step} returned {piece.result.num_rows} rows for {piece.stop - piece.start}; a Map returns one row for each "
            "row. Use a FlatMap to change the number of rows."
        )
    return replace(piece, result=piece.result.filter(pa.array(piece.passed))) if piece.failures else piece


def _passed_measures(piece: Piece[Mapping[str, Measures]]) -> Mapping[str, Measures]:
    """The measures of the rows that did not fail."""
    if not piece.failures:
        return piece.result
    passed = piece.passed
    return {name: {key: values[passed] for key, values in found.items()} for name, found in piece.result.items()}


def _join_verdicts(pieces: Sequence[Piece[Verdict]]) -> Verdict:
    """One verdict about the rows of all pieces."""
    import numpy as np
    import pyarrow as pa

    verdicts = [passed_verdict(piece.result, piece) for piece in pieces]
    if len(verdicts) == 1:
        return verdicts[0]
    reasons = tuple(dict.fromkeys(r for v in verdicts for r in v.reasons))
    codes = []
    for verdict in verdicts:
        mapping = np.array([0, *(reasons.index(r) + 1 for r in verdict.reasons)], dtype=np.int32)
        codes.append(mapping[np.asarray(verdict.codes)])
    names = list(verdicts[0].columns) if verdicts else []
    columns = {n: pa.concat_arrays([_array(v.columns[n]) for v in verdicts]) for n in names}
    why = dict.fromkeys(reason for v in verdicts for reason in v.removed)
    removed = {r: np.concatenate([v.removed.get(r, np.zeros(len(v.codes), np.int64)) for v in verdicts]) for r in why}
    return Verdict(np.concatenate(codes) if codes else np.zeros(0, dtype=np.int32), reasons, columns, removed)


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
