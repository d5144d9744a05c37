"""The bases of steps on media of any kind. Steps on images are in `steps`, those on audio in `audio_steps`.

Adjacent steps on the same column form a section, whose work runs in a child process, row by row. A kind of media defines its
work (`RowWork` in `rows`), which opens the values of a row as items; the steps measure, sign or edit these items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from datajob.media.signatures import Kind
from datajob.operators.base import Batch, Bound, Filter, Map, Measures, Verdict
from datajob.operators.operator import Operator
from datajob.operators.packages import require
from datajob.parameters import Column
from datajob.suggest import snake

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.media.lists import Keep
    from datajob.operators.media.rows import Item, RowWork


def min_max(step: Operator, measure: str) -> tuple[Bound, ...]:
    """The limits of a measure for the parameters `min` and `max` of a step, without those that are None."""
    limits = (("min", getattr(step, "min", None)), ("max", getattr(step, "max", None)))
    return tuple(Bound(name, measure, limit, name == "min") for name, limit in limits if limit is not None)


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

    def reads_headers(self) -> bool:
        """Whether it only reads headers, and needs no child process: the code of users always does."""
        return False

    def work(self, steps: tuple[Any, ...], lists: bool, decides: bool) -> RowWork[Any]:
        """The work of a section of such steps."""
        raise NotImplementedError


class MediaFilter(MediaStep, Filter):
    """Keep rows whose media have measures within limits."""

    abstract: ClassVar[bool] = True

    if TYPE_CHECKING:  # each kind of media declares these parameters in its own words
        keep_if: Keep
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
        return tuple(f"{bound.measure}_too_{'low' if bound.is_minimum else 'high'}" for bound in self.bounds())

    def placeholders(self) -> str | None:
        """The text column with one placeholder per item, if `keep: each` removes those of removed items."""
        return None

    def alongside(self) -> str | None:
        """The column of lists as long as those of the items, if `keep: each` removes the positions of removed items."""
        return None

    def trims(self) -> tuple[str, tuple[str, ...]] | None:
        """With `keep: each`, the column of the media, and those named by `placeholders` and `alongside`."""
        beside = (self.placeholders(), self.alongside())
        return (self.column, tuple(name for name in beside if name is not None)) if self.keep_if == "each" else None

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; rows whose media cannot be measured fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        verdict, table = found.verdict(0, batch), found.changed(batch.table)
        changed = {} if table is batch.table else {name: Batch(table).array(name) for name in table.column_names}
        return Verdict(verdict.codes, verdict.reasons, {**changed, **verdict.columns})

    def measures(self, batch: Batch) -> Measures:
        """The measures of all rows: of a list, those of its first item; NaN if there is none."""
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


class MediaMap(MediaStep, Map):
    """Change the media of each row."""

    abstract: ClassVar[bool] = True

    def edited(self, item: Any) -> Item | None:
        """The item after the step; None if it remains as it is."""
        raise NotImplementedError

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the changed media; rows whose media cannot be changed fail."""
        from datajob.operators.media.sections import Section

        found = Section((self,)).run(batch)
        found.verdict(0, batch)
        return found.changed(batch.table)
