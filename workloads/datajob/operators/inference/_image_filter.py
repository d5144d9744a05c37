"""Base of the filters that score images with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from datajob.media.lists import Keep, drop_items, without_placeholders
from datajob.media.values import flat, is_list, item_counts, media_values
from datajob.operators.base import Batch, Bound, Inferred, Measures, ModelFilter, Verdict
from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._image_model import ImageModel, Vectors
from datajob.operators.media.bases import min_max
from datajob.parameters import NewColumn
from datajob.suggest import snake

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.inference._engines.images import ImageEngine


class ImageModelFilter(ImageModel, ModelFilter):
    """Keep rows whose image has a score within limits. `infer` adds a column with the scores."""

    abstract: ClassVar[bool] = True

    keep_if: Keep = Field(
        default="any",
        alias="keep",
        description="Whether `any` or `all` images of a list must be within the limits. With `each`, the row is kept, and the "
        "images that are not within the limits are removed.",
    )
    output: NewColumn | None = Field(default=None, description="Column for the score.")

    _measures_only: bool = PrivateAttr(default=False)

    def scores(self, row: Vectors, model: ImageEngine) -> list[float | RequestError]:
        """The score of each image of a row. Raises RequestError if the row cannot be scored."""
        raise NotImplementedError

    def marked_text(self) -> str | None:
        """The column with one `<image>` per image, if those of removed images are removed from it."""
        return None

    def trims(self) -> tuple[str, tuple[str, ...]] | None:
        """With `keep: each`, the column of the images and the marked text."""
        text = self.marked_text()
        return (self.column, () if text is None else (text,)) if self.keep_if == "each" else None

    def score_column(self) -> str:
        """The column with the scores, until the step ends."""
        return self.output or f"_{self.key}"

    def only_measuring(self, column: str) -> ImageModelFilter:
        """This step without a decision: it writes all scores to a column, null where there is none."""
        off: dict[str, Any] = {name: None for name in ("min", "max", "top") if name in type(self).model_fields}
        copy = self.model_copy(update={"output": column, "keep_if": "any", **off})
        copy._measures_only = True
        return copy

    def finish(self, batch: Batch, rows: Sequence[Vectors], model: ImageEngine) -> Inferred:
        """The scores. A row fails with its first image, unless only the images are removed that cannot be scored."""
        import pyarrow as pa

        lists = is_list(batch.array(self.column).type)
        tolerant = self._measures_only or (lists and self.keep_if == "each")
        failed: dict[int, str] = {}
        values: list[Any] = []
        for at, row in enumerate(rows):
            try:
                found = self.scores(row, model)
                errors = [score for score in found if isinstance(score, RequestError)]
                if errors and not tolerant:
                    raise errors[0]
            except RequestError as error:
                if not self._measures_only:
                    failed[at] = str(error)
                found = []
            scores = [None if isinstance(score, RequestError) else score for score in found]
            values.append(scores if lists else next(iter(scores), None))
        return Inferred({self.score_column(): pa.array(values, pa.list_(pa.float64()) if lists else pa.float64())}, failed)

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row by its scores."""
        import numpy as np

        lists = is_list(batch.array(self.column).type)
        codes = np.zeros(len(batch), dtype=np.int8)
        kept: list[bool] = []
        for at, value in enumerate(batch.array(self.score_column()).to_pylist()):
            found = [self._code(score) for score in (value if lists else [value])]
            kept += [code == 0 for code in found]
            passed = all(code == 0 for code in found) if self.keep_if == "all" else not found or 0 in found
            codes[at] = 0 if passed or (lists and self.keep_if == "each") else next(code for code in found if code)
        changed = self._without(batch, np.array(kept, dtype=bool)) if lists and self.keep_if == "each" else {}
        return Verdict(codes, self.reasons(), changed)

    def _code(self, score: float | None) -> int:
        """0, or the number of the first limit that is violated; -1 for an image without a score."""
        if score is None:
            return 0 if self._measures_only else -1
        for code, bound in enumerate(self.bounds(), start=1):
            if score < bound.limit if bound.is_minimum else score > bound.limit:
                return code
        return 0

    def _without(self, batch: Batch, kept: NDArray[np.bool_]) -> dict[str, pa.Array]:
        """The columns without the images that are not kept. Rows fail whose text has another number of placeholders."""
        import numpy as np

        items: list[Any] = list(media_values(flat(batch.array(self.column))))
        present = iter(kept.tolist())
        stays = np.array([item.missing or next(present) for item in items], dtype=bool)
        name = self.marked_text()
        if name is None:
            return {self.column: drop_items(batch.array(self.column), stays).items}
        text = batch.array(name)
        for row, (count, value) in enumerate(zip(item_counts(batch.array(self.column)), text.to_pylist(), strict=True)):
            try:
                without_placeholders(value, [False] * count)
            except ValueError as error:
                batch.fail(row, f"placeholders: {error}")
        dropped = drop_items(batch.array(self.column), stays, text)
        return {self.column: dropped.items, name: text if dropped.text is None else dropped.text}

    def bounds(self) -> tuple[Bound, ...]:
        """`min` and `max`, where they are set."""
        return min_max(self, snake(self.key))

    def reasons(self) -> tuple[str, ...]:
        """The reason for rejecting an image that violates each limit."""
        return tuple(f"{bound.measure}_too_{'low' if bound.is_minimum else 'high'}" for bound in self.bounds())

    def measures(self, batch: Batch) -> Measures:
        """The scores that the model has written: of a list, that of its first image. None if it has not run."""
        import numpy as np
        import pyarrow as pa

        if self.score_column() not in batch.table.column_names:
            return {}
        values = batch.array(self.score_column()).to_pylist()
        first = [(value[0] if value else None) if isinstance(value, list) else value for value in values]
        found = pa.array(first, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        return {snake(self.key): found}
