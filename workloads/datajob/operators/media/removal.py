"""Removal of items from lists of media (`keep: each`), with what stands for them in other columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import Field, PrivateAttr, model_validator

from datajob.errors import InputError
from datajob.media.errors import MediaError
from datajob.media.lists import Keep, Reduce, drop_items, unequal_lengths, without_placeholders
from datajob.media.values import is_list, item_counts
from datajob.operators.operator import Operator, Order
from datajob.parameters import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.batch import Batch


class Removed(NamedTuple):
    """A table without some items."""

    table: pa.Table
    columns: dict[str, pa.Array]
    """Those that can have changed."""
    mismatched: frozenset[int]
    """Rows that are unchanged because their columns do not match."""


@dataclass(frozen=True)
class Removal:
    """The columns that change when items are removed from a column of lists."""

    column: str
    text: str | None = None
    """Has one `<image>` per item, in order."""
    texts: str | None = None
    """A list as long as that of the items, with null at the position of each item."""
    per_item: Order = ()
    """Lists with one value per item, such as measures. Those that do not exist are ignored."""

    @classmethod
    def of(cls, removals: Sequence[Removal], per_item: Order = ()) -> Removal:
        """One removal for several of the same column, with more columns that have one value per item."""
        text = next((one.text for one in removals if one.text is not None), None)
        texts = next((one.texts for one in removals if one.texts is not None), None)
        names = dict.fromkeys((*(name for one in removals for name in one.per_item), *per_item))
        return cls(removals[0].column, text, texts, tuple(names))

    def check(self, batch: Batch) -> None:
        """Fail the rows whose columns do not match the items."""
        items = batch.array(self.column)
        if self.text is not None:
            for row, (count, value) in enumerate(zip(item_counts(items), batch.array(self.text).to_pylist(), strict=True)):
                try:
                    without_placeholders(value, [False] * count)
                except ValueError as error:
                    batch.fail(row, MediaError("placeholders", str(error)).marked)
        if self.texts is not None:
            column: Any = batch.array(self.texts)
            if not is_list(column.type):
                raise InputError(f"column `{self.texts}` contains {column.type}, but `texts` must be a column of lists.")
            for row, why in unequal_lengths(items, column, f"`{self.texts}`").items():
                batch.fail(row, MediaError("texts", why).marked)
        for name in self._lists(batch.table):
            for row, why in unequal_lengths(items, batch.array(name), f"`{name}`").items():
                batch.fail(row, MediaError("lists", why).marked)

    def apply(self, table: pa.Table, stays: NDArray[np.bool_]) -> Removed:
        """The table without the items that do not stay."""

        def whole(name: str | None) -> Any:
            return None if name is None else table.column(name).combine_chunks()

        per_item = {name: whole(name) for name in self._lists(table)}
        found = drop_items(whole(self.column), stays, whole(self.text), whole(self.texts), per_item)
        columns: dict[str, Any] = {self.column: found.items, **found.per_item}
        for name, values in ((self.text, found.text), (self.texts, found.alongside)):
            if name is not None and values is not None:
                columns[name] = values
        for name, values in columns.items():
            table = table.set_column(table.schema.get_field_index(name), name, values)
        return Removed(table, columns, frozenset(found.failed))

    def _lists(self, table: pa.Table) -> list[str]:
        there = (name for name in self.per_item if name in table.column_names)
        return [name for name in there if is_list(table.schema.field(name).type)]


class RemovesItems(Operator):
    """What all steps with `keep` have in common."""

    abstract: ClassVar[bool] = True

    _per_item: Order = PrivateAttr(default=())

    if TYPE_CHECKING:  # each kind of media declares these parameters in its own words
        keep_if: Keep
        column: str

    def reduction(self) -> Reduce | None:
        """How the measures of a list become one, which decides the row; None if each item is within the limits or not."""
        return None

    def marked_text(self) -> str | None:
        """The text column with one placeholder per item, from which those of removed items are removed."""
        return None

    def paired_texts(self) -> str | None:
        """The column of lists as long as those of the items, from which the positions of removed items are removed."""
        return None

    def removal(self) -> Removal | None:
        """The columns that change when items are removed; None unless `keep` is `each`."""
        if self.keep_if != "each":
            return None
        return Removal(self.column, self.marked_text(), self.paired_texts(), self._per_item)

    def trims(self) -> tuple[str, Order] | None:
        """The column of the media and those named by parameters."""
        if (found := self.removal()) is None:
            return None
        return found.column, tuple(name for name in (found.text, found.texts) if name is not None)

    def trimming(self, columns: Order) -> Self:
        """This step, which also trims columns that earlier steps have written."""
        copy = self.model_copy()
        copy._per_item = columns
        return copy


class KeepImages(RemovesItems):
    """The parameter `keep` of steps on images."""

    abstract: ClassVar[bool] = True

    keep_if: Keep = Field(
        default="any",
        alias="keep",
        description="Whether `any` or `all` images of a list must be within the limits. With `each`, the row is kept, and the "
        "images that are not within the limits are removed.",
    )
    reduce: Reduce | None = Field(
        default=None,
        description="Decide by the `mean`, `min` or `max` of the measures of a list instead, such as of the frames of a video. "
        "`output` then receives this value.",
    )

    @model_validator(mode="after")
    def _reduced_or_removed(self) -> Self:
        if self.reduce is not None and "keep_if" in self.model_fields_set:
            raise ValueError("`reduce` decides by one measure of the list, so it cannot be combined with `keep`")
        return self

    def reduction(self) -> Reduce | None:
        """The parameter `reduce`."""
        return self.reduce


class KeepImagesWithTexts(KeepImages):
    """The parameters of steps on images that remove what stands for images in texts."""

    abstract: ClassVar[bool] = True

    text: Column | None = Field(
        default=None,
        description="With `keep: each`, the column with one `<image>` per image. Those of removed images are removed.",
    )
    texts: Column | None = Field(
        default=None,
        description="With `keep: each`, the column with a list as long as that of the images, as in OBELICS. Where it is null, "
        "the position of a removed image is removed from both lists; where it is not, the image becomes null.",
    )

    def marked_text(self) -> str | None:
        """The parameter `text`."""
        return self.text

    def paired_texts(self) -> str | None:
        """The parameter `texts`."""
        return self.texts
