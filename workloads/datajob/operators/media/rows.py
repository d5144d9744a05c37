"""What the child process does with one row: all steps of a section, one after the other, on the row's items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from datajob.errors import StorageUnavailable, describe_error
from datajob.media.errors import MediaError
from datajob.media.lists import reduced
from datajob.media.values import MediaValue
from datajob.operators.media.bases import MediaFilter, MediaMap, MediaSignature, MediaStep

Step = TypeVar("Step", bound=MediaStep)


class Item(Protocol):
    """A value of media as the steps of a section see it. It decodes at most once for all of them."""

    def check(self, step: Any) -> None:
        """Raise MediaError if the step must not process the item, such as because of its size."""

    def file(self) -> bytes | None:
        """The new file after the last step; None if no step has changed it."""


class Measured(NamedTuple):
    """What a filter found for the items of a row."""

    code: int
    """0 keeps the row; i > 0 rejects it for the i-th reason."""
    values: tuple[tuple[float, ...] | None, ...]
    """The measures of each item that reached the step; None for an item that failed alone."""
    at: tuple[int, ...]
    """The positions of these items among those of the row."""
    removed: tuple[str, ...] = ()
    """Why items were removed (`keep: each`): one reason for each of them."""
    reduced: tuple[float, ...] | None = None
    """The measures of the list (`reduce`); None without `reduce`, and for an empty list."""


class Edits(NamedTuple):
    """A map has processed the items of a row."""


class Signed(NamedTuple):
    """The values of the items of a row."""

    values: tuple[Any, ...]


class Changed(NamedTuple):
    """The items of a row after the last step."""

    kept: tuple[bool, ...] | None
    """Whether each item remains; None if all do."""
    files: tuple[bytes | None, ...] | None
    """The new file of each item that remains, None for an unchanged one; None if none has changed."""


StepResult = Measured | Edits | Signed
Input = tuple[Any, ...] | list[Any] | MediaError
"""Buffers for the child, results, or an error."""


@dataclass(frozen=True)
class Rule:
    """The limits of a filter, which are the same for all items."""

    names: tuple[str, ...]
    """The measures."""
    limits: tuple[tuple[int, float, bool], ...]
    """The position of the measure, the limit, and whether it is a minimum."""

    @classmethod
    def of(cls, step: MediaFilter) -> Rule:
        """The limits of a step."""
        names = step.measured()
        return cls(names, tuple((names.index(bound.measure), bound.limit, bound.is_minimum) for bound in step.bounds()))

    def numbers(self, step: MediaFilter, item: Item) -> tuple[float, ...]:
        """The measures of an item in the order of their names. Raises MediaError if one of them is not a number."""
        found: Any = step.measure(item)
        values = tuple(float(found[name]) for name in self.names) if isinstance(found, dict) else (float(found),)
        for value in values:
            if value != value:
                raise MediaError("notMeasurable", f"`{step.key}` is not a number for this value")
        return values

    def code(self, values: tuple[float, ...]) -> int:
        """0, or the number of the first limit that is violated."""
        for code, (at, limit, is_minimum) in enumerate(self.limits, start=1):
            if values[at] < limit if is_minimum else values[at] > limit:
                return code
        return 0


@dataclass(frozen=True)
class RowWork(Generic[Step]):
    """The steps of a section, as the child calls them. Each kind of media has its own class."""

    steps: tuple[Step, ...]
    lists: bool
    decides: bool = True
    """False: every step measures every item, regardless of the decisions of the steps before."""

    @cached_property
    def rules(self) -> tuple[Rule | None, ...]:
        """The limits of each step that is a filter."""
        return tuple(Rule.of(step) if isinstance(step, MediaFilter) else None for step in self.steps)

    def __getstate__(self) -> dict[str, Any]:
        """Without what is derived: the pickled work is compared with that of the child."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def prepare(self) -> None:
        """Load the libraries that our own steps need, before memory is limited."""

    @cached_property
    def reads_headers(self) -> bool:
        """Whether all steps only read headers."""
        return all(step.reads_headers() for step in self.steps)

    def inputs(self, rows: Sequence[tuple[MediaValue, ...]], folder: str | None) -> Iterator[Input]:
        """What the child needs of each row, as buffers; or the results if it is not needed; or why the row fails.

        Steps that only read headers need no child unless a decoder must read a header. Files are read as they are needed.
        """
        raise NotImplementedError

    def items(self, values: tuple[Any, ...]) -> list[Any]:
        """The items of a row. Nothing is decoded before a step needs it."""
        raise NotImplementedError

    def __call__(self, values: tuple[Any, ...]) -> list[Any]:
        """One result per step up to the one that rejects or fails the row; after the last step, the items."""
        return self.results(self.items(values))

    def results(self, items: Sequence[Item]) -> list[Any]:
        """What the steps find for the items of a row."""
        row = _Row(items, self.lists, self.decides)
        results: list[Any] = []
        for step, rule in zip(self.steps, self.rules, strict=True):
            results.append(row.apply(step, rule))
            if self.decides and (
                isinstance(results[-1], MediaError) or (isinstance(results[-1], Measured) and results[-1].code)
            ):
                return results
        end = row.changed()
        return [*results[:-1], end] if isinstance(end, MediaError) else [*results, end]


class _Row:
    """The items of a row that earlier steps have not removed."""

    def __init__(self, items: Sequence[Item], lists: bool, decides: bool) -> None:
        self._lists, self._decides = lists, decides
        self._items = list(items)
        self._at = list(range(len(items)))
        self._count = len(items)

    def apply(self, step: MediaStep, rule: Rule | None) -> StepResult | MediaError:
        """The result of a step, or why it fails the row."""
        return _or_error(lambda: self._result(step, rule))

    def _result(self, step: MediaStep, rule: Rule | None) -> StepResult:
        if rule is not None:
            assert isinstance(step, MediaFilter)
            return self.measure(step, rule)
        if isinstance(step, MediaSignature):
            return self.sign(step)
        assert isinstance(step, MediaMap)
        return self.edit(step)

    def measure(self, step: MediaFilter, rule: Rule) -> Measured:
        """Measure the items, and decide the row. With `keep: each`, items that violate a limit or fail are removed."""
        each = self._lists and self._decides and step.keep_if == "each"
        values: list[tuple[float, ...] | None] = []
        codes: list[int] = []
        removed: list[str] = []
        reached = tuple(self._at)
        for item in self._items:
            try:
                item.check(step)
                found = rule.numbers(step, item)
            except MediaError as error:
                if not each:
                    raise
                values.append(None)
                codes.append(-1)
                removed.append(error.word)
            else:
                values.append(found)
                codes.append(rule.code(found))
        if each:
            stays = [code == 0 for code in codes]
            self._items = [item for item, kept in zip(self._items, stays, strict=True) if kept]
            self._at = [at for at, kept in zip(self._at, stays, strict=True) if kept]
            removed += [step.reasons()[code - 1] for code in codes if code > 0]
            return Measured(0, tuple(values), reached, tuple(removed))
        if self._lists and (how := step.reduction()) is not None:
            numbers = zip(*(found for found in values if found is not None), strict=True)
            whole = tuple(reduced(column, how) for column in numbers) or None
            return Measured(0 if whole is None else rule.code(whole), tuple(values), reached, reduced=whole)
        passed = all(code == 0 for code in codes) if step.keep_if == "all" else not codes or 0 in codes
        return Measured(0 if passed else next(code for code in codes if code), tuple(values), reached)

    def sign(self, step: MediaSignature) -> Signed:
        """The values of the items."""
        for item in self._items:
            item.check(step)
        return Signed(tuple(step.sign(item) for item in self._items))

    def edit(self, step: MediaMap) -> Edits:
        """Change the items."""
        for at, item in enumerate(self._items):
            item.check(step)
            edited = step.edited(item)
            if edited is not None:
                self._items[at] = edited
        return Edits()

    def changed(self) -> Changed | MediaError:
        """The items after the last step, or why one of them cannot be written."""
        return _or_error(self._changed)

    def _changed(self) -> Changed:
        kept = None
        if len(self._at) < self._count:
            kept = tuple(at in self._at for at in range(self._count))
        files = tuple(item.file() for item in self._items)
        return Changed(kept, files if any(file is not None for file in files) else None)


T = TypeVar("T")


def _or_error(compute: Callable[[], T]) -> T | MediaError:
    """The result, or the error that fails the row."""
    try:
        return compute()
    except StorageUnavailable:  # not a fault of the row
        raise
    except MediaError as error:
        return error
    except MemoryError:
        return MediaError("tooLarge", "processing it needs more memory than the limit")
    except Exception as error:  # noqa: BLE001 - decoders and user code raise anything
        kind, _, text = describe_error(error).partition(": ")
        return MediaError(kind, text)
