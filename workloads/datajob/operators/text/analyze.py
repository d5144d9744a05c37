"""analyze: measure texts as the filters do, without rejecting rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PrivateAttr, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from datajob.errors import InputError
from datajob.operators.base import Filter, Measures, Observe
from datajob.operators.media.sections import measures_of
from datajob.operators.registry import filter_with_limits, filters_with_limits, modality
from datajob.operators.strings.words import Tokenizer
from datajob.parameters import Column, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


@dataclass(frozen=True)
class _FilterKey:
    """Checks the key of a filter by loading only that filter; the schema lists the keys of all filters with limits."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(filters_with_limits())}

    @staticmethod
    def _check(key: str) -> str:
        filter_with_limits(key)
        return key


FilterWithLimits = Annotated[str, _FilterKey()]
COLUMNS = "columns"
"""Name of the group of numeric columns in the report."""
DEFAULT_MEASURES: tuple[str, ...] = (
    "textLength",
    "wordCount",
    "averageWordLength",
    "lineLength",
    "alphanumericRatio",
    "digitRatio",
    "specialCharacters",
    "whitespaceRatio",
    "urlRatio",
    "stopWordRatio",
    "gopherQuality",
    "gopherRepetition",
    "c4Quality",
    "finewebQuality",
)


class Analyze(Observe):
    """Measure texts as the filters do, and report distributions, the rows each limit would reject, and suggested limits.

    All rows are kept. If the job contains one of these filters, it is measured with the parameters and limits it has
    there. Distributions are exact to 0.8% and do not depend on how the input is split into shards (docs/analyze.md).
    `datajob analyze` does the same without writing a result.

    Example:

        - analyze: {column: text, measures: [textLength, gopherQuality], columns: [score]}
    """

    column: Column | None = Field(
        default="text", description="Text column; null if `measures` has no filters of texts. Filters of images read `image`."
    )
    measures: tuple[FilterWithLimits, ...] = Field(
        default=DEFAULT_MEASURES, max_length=64, description="Filters to measure, in addition to the filters of the job."
    )
    columns: Columns | None = Field(default=None, description="Numeric columns to describe.")
    tokenizer: Tokenizer = "unicode"

    @model_validator(mode="after")
    def _texts_have_a_column(self) -> Self:
        if self.column is None and (texts := [key for key in self.measures if _measures_texts(filter_with_limits(key))]):
            raise ValueError(f"`column` must be set to measure texts with `{texts[0]}`")
        return self

    _job_filters: Mapping[str, Filter] = PrivateAttr(default_factory=dict)

    def with_job_filters(self, filters: Mapping[str, Filter]) -> Self:
        """This step, which measures the filters of the job that have limits instead of the same filters with defaults."""
        copy = self.model_copy()
        copy._job_filters = {**self._job_filters, **{name: f for name, f in filters.items() if f.bounds()}}
        return copy

    def filters(self) -> Mapping[str, Filter]:
        """The job's filters with limits, then the other filters in `measures` with their defaults."""
        there = {rule.key for rule in self._job_filters.values()}
        found: dict[str, Any] = dict(self._job_filters)
        for key in self.measures:
            if key not in there:
                rule = filter_with_limits(key)
                tokenizer = {"tokenizer": self.tokenizer} if "tokenizer" in rule.model_fields else {}
                column = {"column": self.column} if _measures_texts(rule) else {}  # others measure images
                found[key] = rule.model_validate({**column, **tokenizer})
        return found

    def job_filters(self) -> Mapping[str, Filter]:
        """The job's filters that have limits."""
        return self._job_filters

    def identity(self) -> Any:
        """Includes the job's filters: their limits appear in the report, and their parameters affect the measures."""
        return [super().identity(), {name: rule.identity() for name, rule in self._job_filters.items()}]

    def observe(self, batch: Batch) -> Mapping[str, Measures]:
        """The measures of each filter whose columns exist, and the numeric columns. Raises InputError for a column that
        does not contain numbers."""
        there = set(batch.table.column_names)
        found = measures_of({n: rule for n, rule in self.filters().items() if there.issuperset(rule.inputs())}, batch)
        return {**found, COLUMNS: {name: _numbers(batch, name) for name in self.columns}} if self.columns else found


def _measures_texts(rule: type[Filter]) -> bool:
    return modality(rule) == modality(Analyze)


def _numbers(batch: Batch, column: str) -> NDArray[Any]:
    """The column as doubles, NaN where it is null."""
    import numpy as np
    import pyarrow as pa

    array: Any = batch.array(column)
    kind = array.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)
    if not numeric and not pa.types.is_null(kind):
        raise InputError(
            f"column `{column}` contains {kind}, not numbers: `analyze.columns` takes integers, decimals, floats and booleans. "
            f"Convert it first, for example with `cast: {{columns: {{{column}: double}}}}`."
        )
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
