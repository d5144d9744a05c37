"""The bases of steps on media of any kind. Steps on images are in `steps`, those on audio in `audio_steps`.

Adjacent steps on the same column form a section, whose work runs in a child process, row by row. A kind of media defines its
work (`RowWork` in `rows`), which opens the values of a row as items; the steps measure, sign or edit these items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from datajob.errors import InputError
from datajob.media.signatures import Kind
from datajob.media.values import is_list
from datajob.operators.base import Batch, Bound, Deduplicate, Filter, FlatMap, Map, Measures, Verdict
from datajob.operators.media.removal import RemovesItems
from datajob.operators.operator import Operator, Order
from datajob.operators.packages import require
from datajob.parameters import Column
from datajob.suggest import snake

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.media.rows import Item, RowWork


def min_max(step: Operator, measure: str) -> tuple[Bound, ...]:
    """The limits of a measure for the parameters `min` and `max` of a step, without those that are None."""
    limits = (("min", getattr(step, "min", None)), ("max", getattr(step, "max", None)))
    return tuple(Bound(name, measure, limit, name == "min") for name, limit in limits if limit is not None)


def reasons(bounds: Sequence[Bound]) -> tuple[str, ...]:
    """The reason for violating each limit."""
    return tuple(f"{bound.measure}_too_{'low' if bound.is_minimum else 'high'}" for bound in bounds)


def one_per_row(column: str, kind: pa.DataType, media: str, key: str) -> None:
    """Raise InputError for a column of lists; `key` names the operator."""
    if is_list(kind):
        raise InputError(
            f"column `{column}` contains {kind}, but `{key}` processes one {media} per row. Use `explode` before it."
        )


class MediaStep(Operator):
    """What all steps on media have in common."""

    abstract: ClassVar[bool] = True
    kind: ClassVar[Kind]
    """The media that it processes."""
    packages: ClassVar[dict[str, str]] = {}
    """Modules that the step needs in addition to those that all such steps need, and the package of each."""

    column: Column = Field(description="Column with encoded bytes, a path or URL, a struct of both, or a list of these.")
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")

    def required(self) -> Mapping[str, str]:
        """All modules that the step needs, and the package of each."""
        return self.packages

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package that it needs is not installed."""
        require(self.required(), self.key)
        return self

    def cost_unknown(self) -> bool:
        """It reads media, which can be of any size."""
        return True

    def reads_headers(self) -> bool:
        """Whether it only reads headers, and needs no child process: the code of users always does."""
        return False

    def work(self, steps: tuple[Any, ...], lists: bool, decides: bool) -> RowWork[Any]:
        """The work of a section of such steps."""
        raise NotImplementedError


class MediaFilter(MediaStep, RemovesItems, Filter):
    """Keep rows whose media have measures within limits."""

    abstract: ClassVar[bool] = True

    if TYPE_CHECKING:  # each kind of media declares it in its own words
        output: str | None

    @model_validator(mode="after")
    def _output_is_another_column(self) -> Self:
        if self.output is not None and self.output == self.column:
            raise ValueError(f"`output` must not be `{self.column}`: the measures would replace the column that they are about")
        return self

    def measure(self, item: Any) -> float | Mapping[str, float]:
        """The measure of an item, or several by name. Raises MediaError if it has none."""
        raise NotImplementedError

    def measured(self) -> tuple[str, ...]:
        """The names of the measures, in order; the first is written to `output`."""
        return tuple(dict.fromkeys(bound.measure for bound in self.bounds())) or (snake(self.key),)

    def reasons(self) -> tuple[str, ...]:
        """The reason for rejecting an item that violates each limit."""
        return reasons(self.bounds())

    def item_columns(self) -> tuple[str, Order]:
        """The measures."""
        return self.column, () if self.output is None or self.reduction() is not None else (self.output,)

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; rows whose media cannot be measured fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        verdict = found.verdict(0, batch)
        table = batch.table
        for name, column in verdict.columns.items():
            at = table.schema.get_field_index(name)
            table = table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
        changed = found.changed(table)
        columns = verdict.columns if changed is table else {name: Batch(changed).array(name) for name in changed.column_names}
        return Verdict(verdict.codes, verdict.reasons, columns, verdict.removed)

    def measures(self, batch: Batch) -> Measures:
        """The measures of all rows: of a list, those of its first item, or those that `reduce` makes; NaN if there is none."""
        from datajob.operators.media.sections import Section

        return Section((self,)).run(batch).measures(0)


class MediaSignature(MediaStep):
    """Computes a value for the media of each row, such as a hash; for steps that are not filters or maps."""

    abstract: ClassVar[bool] = True

    def sign(self, item: Any) -> Any:
        """The value of an item: small, and picklable. Raises MediaError if it has none."""
        raise NotImplementedError

    def signed(self, batch: Batch) -> list[Any]:
        """What `sign` returns for each row: a list of values for a list of items. Rows without media fail, and are None."""
        from datajob.operators.media.sections import Section

        return Section((self,)).run(batch).signed(batch)


class MediaColumn(MediaSignature):
    """A signature that becomes a column, for the global step after its section (`Deduplicate.signing`)."""

    abstract: ClassVar[bool] = True

    values_column: str = Deduplicate.signing_column
    alone: bool = False
    """True: it shares no decode, so that the values do not depend on other steps."""

    def array(self, values: list[Any]) -> pa.Array:
        """The values as a column; None for rows that failed or that an earlier step rejected."""
        raise NotImplementedError


class MediaSplit(MediaSignature, FlatMap):
    """Turns each row into one row for each part of its media.

    It is the last step of a section, and so shares the decode of the steps before it.
    """

    abstract: ClassVar[bool] = True

    def split(self, batch: Batch, table: pa.Table, found: list[Any]) -> pa.Table:
        """The new rows, from `table` (the rows of `batch` as earlier steps changed them) and what `sign` returned for each row.

        It is None for rows without a result, which are left out. Fails the rows of `batch` that it cannot split.
        """
        raise NotImplementedError

    def expand(self, batch: Batch) -> pa.Table:
        """The parts of all rows."""
        return self.split(batch, batch.table, self.signed(batch))


class MediaMap(MediaStep, Map):
    """Change the media of each row."""

    abstract: ClassVar[bool] = True

    def new_files(self) -> tuple[str, str | None]:
        """The column is changed."""
        return self.column, self.folder

    def edited(self, item: Any) -> Item | None:
        """The item after the step; None if it remains as it is."""
        raise NotImplementedError

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the changed media; rows whose media cannot be changed fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        found.verdict(0, batch)
        return found.changed(batch.table)
