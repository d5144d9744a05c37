"""Sections: adjacent steps on the same media, which share one decode of each value in the child process.

The child returns what each step found for each row. The decisions are then applied step by step, so that every row is counted
at the step that rejects or fails it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import StorageUnavailable
from datajob.media.errors import MediaError
from datajob.media.isolation import run_isolated
from datajob.media.values import is_list, media_values
from datajob.operators.base import Batch, Filter, Measures, Operator, Verdict
from datajob.operators.media.bases import MediaColumn, MediaFilter, MediaMap, MediaSplit, MediaStep, one_per_row
from datajob.operators.media.changes import with_files
from datajob.operators.media.removal import Removal
from datajob.operators.media.rows import Changed, Measured, Signed, StepResult

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.batch import Batch


def sections(operators: Sequence[Operator]) -> list[tuple[int, int]]:
    """The start and the end of each run of operators that are one section; other operators are alone.

    Steps that only read headers form a section of their own in front of the others, since they need no child process.
    """
    found: list[tuple[int, int]] = []
    for at, operator in enumerate(operators):
        if found and _joins(operators[found[-1][0] : at], operator):
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


def measures_of(filters: Mapping[str, Filter], batch: Batch) -> dict[str, Measures]:
    """The measures of all rows, by the name of the filter. Filters of the same media share one decode."""
    groups: dict[tuple[Any, ...], dict[str, MediaFilter]] = {}
    for name, rule in filters.items():
        if isinstance(rule, MediaFilter):
            groups.setdefault(_shared(rule), {})[name] = rule
    together: dict[str, Measures] = {}
    for group in groups.values():
        found = Section(tuple(group.values()), decides=False).run(batch)
        together.update({name: found.measures(number) for number, name in enumerate(group)})
    return {name: together[name] if name in together else rule.measures(batch) for name, rule in filters.items()}


def _joins(section: Sequence[Operator], operator: Operator) -> bool:
    first = section[0]
    if not isinstance(first, MediaStep) or not isinstance(operator, MediaStep) or isinstance(section[-1], MediaSplit):
        return False
    if isinstance(operator, MediaColumn) and (operator.alone or any(isinstance(step, MediaMap) for step in section)):
        return False  # changed media are encoded again before they are stored
    return (
        _shared(first) == _shared(operator)
        and not _names_other_texts(section, operator)
        and (not _reads_headers(section) or operator.reads_headers())
        and not (isinstance(operator, MediaSplit) and any(isinstance(step, MediaMap) for step in section))
    )


def _names_other_texts(section: Sequence[Operator], operator: Operator) -> bool:
    """Whether it names another `text` or `texts` than a step of the section, which changes one of each."""
    filters = [step for step in (*section, operator) if isinstance(step, MediaFilter)]
    texts = {text for step in filters if (text := step.marked_text()) is not None}
    others = {other for step in filters if (other := step.paired_texts()) is not None}
    return len(texts) > 1 or len(others) > 1


def _shared(step: MediaStep) -> tuple[Any, ...]:
    """What steps of a section have in common."""
    return step.column, step.folder, step.kind


def _reads_headers(operators: Sequence[Operator]) -> bool:
    return all(isinstance(operator, MediaStep) and operator.reads_headers() for operator in operators)


@dataclass(frozen=True)
class Section:
    """Adjacent steps on the same column."""

    steps: tuple[MediaStep, ...]
    decides: bool = True
    """False: every step measures every item, regardless of the decisions of the steps before."""

    def run(self, batch: Batch) -> Found:
        """Process all rows of a batch. Nothing is decided yet."""
        first = self.steps[0]
        for step in self.steps:
            step.resolved()  # the child would fail each row if a package is missing
        column = batch.array(first.column)
        if isinstance(last := self.steps[-1], MediaSplit):
            one_per_row(last.column, column.type, last.kind, last.key)
        values: list[Any] = list(media_values(column))
        rows = [value if isinstance(value, tuple) else (value,) for value in values]
        work = first.work(self.steps, is_list(column.type), self.decides)
        found: list[Any] = [None] * len(rows)
        sent: list[int] = []

        def items() -> Iterator[Any]:
            for row, item in enumerate(work.inputs(rows, first.folder)):
                if isinstance(item, tuple):
                    sent.append(row)
                    yield item
                else:
                    found[row] = item

        for row, result in zip(sent, run_isolated(work, items()), strict=True):
            if isinstance(result, StorageUnavailable):
                raise result
            found[row] = result
        return Found(self.steps, column, found)


@dataclass(frozen=True)
class Found:
    """What the steps of a section found for each row of a batch."""

    steps: tuple[MediaStep, ...]
    column: pa.Array
    rows: list[Any]
    """The result of each row: a list with one result per step up to the one that ended it, or a MediaError."""

    def verdict(self, number: int, batch: Batch) -> Verdict:
        """The decisions of a step. Fails the rows of `batch` that it could not process."""
        import numpy as np

        step = self.steps[number]
        codes = np.zeros(len(self.rows), dtype=np.int16)
        for row, result in enumerate(self._results(number)):
            if isinstance(result, MediaError):
                batch.fail(row, result.marked)
            elif isinstance(result, Measured):
                codes[row] = result.code
        if isinstance(step, MediaColumn) and not is_list(self.column.type):
            values = (result.values[0] if isinstance(result, Signed) else None for result in self._results(number))
            return Verdict(codes, (), {step.values_column: step.array(list(values))})
        if not isinstance(step, MediaFilter):
            return Verdict(codes, ())
        removal = step.removal() if is_list(self.column.type) else None
        if removal is not None:
            removal.check(batch)
        return Verdict(codes, step.reasons(), self._columns(number, step), self._removed(number))

    def measures(self, number: int) -> Mapping[str, NDArray[Any]]:
        """The measures of a filter for all rows."""
        import numpy as np

        step = self.steps[number]
        assert isinstance(step, MediaFilter)
        names = step.measured()
        values = np.full((len(names), len(self.rows)), np.nan)
        for row, result in enumerate(self._results(number)):
            if isinstance(result, Measured) and (first := result.reduced or next(iter(result.values), None)) is not None:
                values[:, row] = first
        return dict(zip(names, values, strict=True))

    def signed(self, batch: Batch) -> list[Any]:
        """The values of the only step, a MediaSignature. Fails the rows that have none."""
        self.verdict(0, batch)
        return self.values(0)

    def values(self, number: int) -> list[Any]:
        """What a MediaSignature returned for each row; None for rows without a result."""
        lists = is_list(self.column.type)
        values = (list(result.values) if isinstance(result, Signed) else None for result in self._results(number))
        return [value if lists or value is None else value[0] for value in values]

    def changed(self, table: pa.Table) -> pa.Table:
        """The table with the media that remain, as the steps changed them."""
        name, filters = self.steps[0].column, [step for step in self.steps if isinstance(step, MediaFilter)]
        removals = [found for step in filters if (found := step.removal()) is not None]
        mismatched = frozenset[int]()  # these rows fail, and keep all items
        if is_list(self.column.type) and removals:
            outputs = tuple(output for step in filters for output in step.item_columns()[1])
            table, _, mismatched = Removal.of(removals, outputs).apply(table, self._stays())
        if any(isinstance(step, MediaMap) for step in self.steps):
            files = {row: end.files for row, end in self._ends() if end.files is not None and row not in mismatched}
            column = with_files(Batch(table).array(name), files, self.steps[0].folder)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return table

    def _ends(self) -> Iterator[tuple[int, Changed]]:
        """The position and the items of each row that passed all steps."""
        for row, result in enumerate(self.rows):
            if isinstance(result, list) and isinstance(result[-1], Changed):
                yield row, result[-1]

    def _stays(self) -> NDArray[np.bool_]:
        """For each item of the lists, whether it remains. Nulls do."""
        import numpy as np

        ends = dict(self._ends())
        stays: list[bool] = []
        for row, values in enumerate(media_values(self.column)):
            assert isinstance(values, tuple)
            kept = ends[row].kept if row in ends else None
            present = iter(kept or ())
            stays += [kept is None or value.missing or next(present) for value in values]
        return np.array(stays, dtype=bool)

    def _results(self, number: int) -> list[StepResult | MediaError | None]:
        """The result of a step for each row; None for rows that an earlier step ended."""
        found: list[StepResult | MediaError | None] = []
        for result in self.rows:
            if isinstance(result, MediaError):
                found.append(result if number == 0 else None)
            else:
                found.append(result[number] if number < len(result) else None)
        return found

    def _removed(self, number: int) -> dict[str, NDArray[np.int64]]:
        """The number of items that a filter removes from each row, by reason."""
        import numpy as np

        removed: dict[str, NDArray[np.int64]] = {}
        for row, result in enumerate(self._results(number)):
            for reason in result.removed if isinstance(result, Measured) else ():
                removed.setdefault(reason, np.zeros(len(self.rows), np.int64))[row] += 1
        return removed

    def _columns(self, number: int, step: MediaFilter) -> dict[str, pa.Array]:
        """The first measure of each value. Lists of measures are as long as those of the items before the section."""
        import pyarrow as pa

        if step.output is None:
            return {}
        lists = is_list(self.column.type)
        if lists and step.reduction() is not None:
            whole = [result.reduced if isinstance(result, Measured) else None for result in self._results(number)]
            return {step.output: pa.array([None if value is None else value[0] for value in whole], pa.float64())}
        if lists:
            return {step.output: pa.array(self._lists_of_measures(number), pa.list_(pa.float64()))}
        first = [result.values[0] if isinstance(result, Measured) else None for result in self._results(number)]
        return {step.output: pa.array([None if value is None else value[0] for value in first], pa.float64())}

    def _lists_of_measures(self, number: int) -> list[list[float | None] | None]:
        """None for items that are null or removed by an earlier step, for null lists, and for rows without a result."""
        lists: list[list[float | None] | None] = []
        exists = self.column.is_valid().to_pylist()
        for row, (result, values) in enumerate(zip(self._results(number), media_values(self.column), strict=True)):
            if not isinstance(result, Measured) or not exists[row]:
                lists.append(None)
                continue
            assert isinstance(values, tuple)
            first = {at: None if value is None else value[0] for at, value in zip(result.at, result.values, strict=True)}
            present = itertools.count()
            lists.append([None if value.missing else first.get(next(present)) for value in values])
        return lists
