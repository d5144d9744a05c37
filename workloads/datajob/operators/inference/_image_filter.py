"""Base of the filters that score images with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from datajob.errors import plain
from datajob.media.errors import MediaError
from datajob.media.lists import reduced
from datajob.media.values import MediaValue, flat, is_list, media_values
from datajob.operators.base import Batch, Bound, Inferred, Measures, ModelFilter, Verdict
from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._image_model import ImageModel, Vectors
from datajob.operators.media.bases import min_max, reasons
from datajob.operators.media.removal import KeepImages, Removal
from datajob.operators.operator import Order
from datajob.parameters import NewColumn
from datajob.suggest import snake

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.operators.inference._engines.images import ImageEngine


class ImageModelFilter(ImageModel, KeepImages, ModelFilter):
    """Keep rows whose image has a score within limits. `infer` adds a column with the scores."""

    abstract: ClassVar[bool] = True

    output: NewColumn | None = Field(default=None, description="Column for the score.")

    _measures_only: bool = PrivateAttr(default=False)

    def scores(self, row: Vectors, model: ImageEngine) -> list[float | RequestError]:
        """The score of each image of a row. Raises RequestError if the row cannot be scored."""
        raise NotImplementedError

    def score_column(self) -> str:
        """The column with the scores, until the step ends."""
        return self.output or f"_{self.key}"

    def _error_column(self) -> str:
        """With `keep: each`, the column with the reason for each image that cannot be scored, until the step ends."""
        return f"_{self.key}_errors"

    def only_measuring(self, column: str) -> ImageModelFilter:
        """This step without a decision: it writes all scores to a column, null where there is none."""
        off: dict[str, Any] = {name: None for name in ("min", "max", "top") if name in type(self).model_fields}
        copy = self.model_copy(update={"output": column, "keep_if": "any", **off})
        copy._measures_only = True
        return copy

    def measuring_from(self, column: str) -> ImageModelFilter:
        """This step with its scores in another column."""
        return self.model_copy(update={"output": column})

    def finish(self, batch: Batch, rows: Sequence[Vectors], model: ImageEngine) -> Inferred:
        """The scores. A row fails with its first image, unless only the images are removed that cannot be scored."""
        import pyarrow as pa

        lists = is_list(batch.array(self.column).type)
        reduces = lists and self.reduction() is not None
        tolerant = self._measures_only or (lists and self.keep_if == "each")
        failed: dict[int, str] = {}
        values: list[Any] = []
        errors: list[Any] = []
        for at, row in enumerate(rows):
            try:
                found = self.scores(row, model)
                error = next((score for score in found if isinstance(score, RequestError)), None)
                if error is not None and not tolerant:
                    raise error
            except RequestError as reason:
                if not self._measures_only:
                    failed[at] = str(reason)
                found = []
            scores = [None if isinstance(score, RequestError) else score for score in found]
            values.append(self._reduced(scores) if reduces else row.value(scores))
            errors.append(row.value([_word(score) for score in found]))
        columns = {self.score_column(): pa.array(values, pa.list_(pa.float64()) if lists and not reduces else pa.float64())}
        if lists and self.keep_if == "each":
            columns[self._error_column()] = pa.array(errors, pa.list_(pa.string()))
        return Inferred(columns, failed)

    def _reduced(self, scores: Sequence[float | None]) -> float | None:
        """The score of a list; None if it has none."""
        known, how = [score for score in scores if score is not None], self.reduction()
        return reduced(known, how) if known and how is not None else None

    def item_columns(self) -> tuple[str, Order]:
        """The scores, if each image has one."""
        return self.column, () if self.reduction() is not None else self.written()

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row by its scores."""
        import numpy as np

        images, scores = batch.array(self.column), batch.array(self.score_column()).to_pylist()
        if is_list(images.type) and (removal := self.removal()) is not None:
            return self._without(batch, removal, scores)
        codes = np.zeros(len(batch), dtype=np.int8)
        if is_list(images.type) and self.reduction() is not None:
            return Verdict(np.array([max(0, self._code(score)) for score in scores], dtype=np.int8), self.reasons())
        rows: list[Any] = list(media_values(images))
        for at, (values, found) in enumerate(zip(rows, scores, strict=True)):
            scored = [(values, found)] if not isinstance(values, tuple) else zip(values, found or (), strict=False)
            row = [self._code(score) for value, score in scored if not (is_list(images.type) and value.missing)]
            passed = all(code == 0 for code in row) if self.keep_if == "all" else not row or 0 in row
            codes[at] = 0 if passed else next(code for code in row if code)
        return Verdict(codes, self.reasons())

    def _code(self, score: float | None) -> int:
        """0, or the number of the first limit that is violated; -1 for an image without a score."""
        if score is None:
            return 0 if self._measures_only else -1
        for code, bound in enumerate(self.bounds(), start=1):
            if score < bound.limit if bound.is_minimum else score > bound.limit:
                return code
        return 0

    def _without(self, batch: Batch, removal: Removal, scores: list[Any]) -> Verdict:
        """All rows without the images that violate a limit or cannot be scored."""
        import numpy as np

        removal = Removal.of([removal], self.written())
        removal.check(batch)
        errors = iter(flat(batch.array(self._error_column())).to_pylist())
        values = iter(media_values(flat(batch.array(self.column))))
        stays: list[bool] = []
        removed: dict[str, NDArray[np.int64]] = {}
        for row, found in enumerate(scores):
            for score, error, value in zip(found or (), errors, values, strict=False):
                code = 0 if isinstance(value, MediaValue) and value.missing else self._code(score)
                stays.append(code == 0)
                if code:
                    reason = self.reasons()[code - 1] if code > 0 else str(error)
                    removed.setdefault(reason, np.zeros(len(batch), np.int64))[row] += 1
        columns = removal.apply(batch.table, np.array(stays, dtype=bool)).columns
        return Verdict(np.zeros(len(batch), dtype=np.int8), self.reasons(), columns, removed)

    def bounds(self) -> tuple[Bound, ...]:
        """`min` and `max`, where they are set."""
        return min_max(self, snake(self.key))

    def reasons(self) -> tuple[str, ...]:
        """The reason for rejecting an image that violates each limit."""
        return reasons(self.bounds())

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


def _word(score: float | RequestError) -> str | None:
    """The reason for an image without a score, as one word; None for a score."""
    return MediaError(plain(str(score)).partition(":")[0], "").word if isinstance(score, RequestError) else None
