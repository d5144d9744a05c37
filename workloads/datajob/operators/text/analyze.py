"""How the texts of a job are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PrivateAttr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from datajob.errors import InputError
from datajob.operators.base import Filter, Measures, Observe
from datajob.operators.registry import filter_with_limits, filters_with_limits
from datajob.operators.strings.words import Tokenizer
from datajob.parameters import Column, Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


@dataclass(frozen=True)
class _FilterKey:
    """Checks the key of a filter by loading that filter alone; the schema lists all of them."""

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
"""What the measures of numeric columns belong to, in the report."""
USUAL: tuple[str, ...] = (
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
    """Measures texts as the filters do and shows how the measures are distributed, what each limit would drop, and
    which limits would suit the data; passes all rows on.

    Where the job has one of these filters itself, it is measured with the parameters it has there, and its limits are
    the ones shown. Distributions are exact to 0.8 % and do not depend on how the input is cut (docs/analyze.md).
    `datajob analyze` does the same without writing a result.

    Example:

        - analyze: {column: text, measures: [textLength, gopherQuality], columns: [score]}
    """

    column: Column = Field(default="text", description="The text.")
    measures: tuple[FilterWithLimits, ...] = Field(
        default=USUAL, max_length=64, description="Filters whose measures are taken, besides those of the job."
    )
    columns: Columns | None = Field(default=None, description="Numeric columns to describe as they are.")
    tokenizer: Tokenizer = "unicode"

    _job_filters: Mapping[str, Filter] = PrivateAttr(default_factory=dict)

    def with_job_filters(self, filters: Mapping[str, Filter]) -> Self:
        """Measures those of `filters` that have limits, instead of the same operators with their defaults."""
        copy = self.model_copy()
        copy._job_filters = {**self._job_filters, **{name: f for name, f in filters.items() if f.bounds()}}
        return copy

    def filters(self) -> Mapping[str, Filter]:
        """The job's filters with limits, then the others asked for with their defaults."""
        there = {rule.key for rule in self._job_filters.values()}
        found: dict[str, Any] = dict(self._job_filters)
        for key in self.measures:
            if key not in there:
                rule = filter_with_limits(key)
                tokenizer = {"tokenizer": self.tokenizer} if "tokenizer" in rule.model_fields else {}
                found[key] = rule.model_validate({"column": self.column, **tokenizer})
        return found

    def job_filters(self) -> Mapping[str, Filter]:
        """The job's filters that have limits."""
        return self._job_filters

    def identity(self) -> Any:
        """With the job's filters: other limits are shown in another report, other parameters measure otherwise."""
        return [super().identity(), {name: rule.identity() for name, rule in self._job_filters.items()}]

    def observe(self, batch: Batch) -> Mapping[str, Measures]:
        """The measures of each filter whose columns are there, and the numeric columns. Raises InputError for a column
        that holds no numbers."""
        there = set(batch.table.column_names)
        found = {name: rule.measures(batch) for name, rule in self.filters().items() if there.issuperset(rule.inputs())}
        return {**found, COLUMNS: {name: _numbers(batch, name) for name in self.columns}} if self.columns else found


def _numbers(batch: Batch, column: str) -> NDArray[Any]:
    """The column as doubles, NaN where it is null."""
    import numpy as np
    import pyarrow as pa

    array: Any = batch.array(column)
    kind = array.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)
    if not numeric and not pa.types.is_null(kind):
        raise InputError(
            f"column `{column}` holds {kind}, not numbers: `analyze.columns` takes integers, decimals, floats and booleans. "
            f"Make it numeric first, for instance with `cast: {{columns: {{{column}: double}}}}`."
        )
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
