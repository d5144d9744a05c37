"""Filters that compare measures with limits, and expose both: `analyze` shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from pydantic.alias_generators import to_camel

from datajob.operators.base import Bound, Filter, Verdict
from datajob.parameters import Column, NewColumn, Parameters
from datajob.suggest import snake

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch, Measures


class Measure(Filter):
    """Keep rows whose measure is between `min` and `max`."""

    abstract: ClassVar[bool] = True

    column: Column = Field(description="Column to measure.")
    min: float = Field(default=0, ge=0, description="Minimum measure.")
    max: float = Field(default=1, ge=0, description="Maximum measure.")
    output: NewColumn | None = Field(default=None, description="Column for the measure.")

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The measure of each row, int64 or float64."""
        raise NotImplementedError

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`; the reasons are `<operator>_too_low` and `<operator>_too_high`."""
        import numpy as np
        import pyarrow as pa

        values = self.measure(batch)
        codes = np.zeros(len(values), dtype=np.int8)
        codes[values < self.min] = 1
        codes[values > self.max] = 2
        name = snake(self.key)
        columns = {self.output: pa.array(values)} if self.output else {}
        return Verdict(codes, (f"{name}_too_low", f"{name}_too_high"), columns)

    def bounds(self) -> tuple[Bound, ...]:
        """`min` and `max`."""
        name = snake(self.key)
        return Bound("min", name, self.min, True), Bound("max", name, self.max, False)

    def measures(self, batch: Batch) -> Measures:
        """The one measure, named after the operator."""
        return {snake(self.key): self.measure(batch)}


def share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """`part / whole`; 0 where `whole` is 0."""
    import numpy as np

    return np.asarray(part / np.maximum(whole, 1))


def bounds_of(parameters: Parameters, limits: Iterable[tuple[str, str]]) -> tuple[Bound, ...]:
    """A `Bound` for each pair of a field, named `min_...` or `max_...`, and the measure that it limits."""
    return tuple(
        Bound(to_camel(field), measure, getattr(parameters, field), is_minimum=field.startswith("min_"))
        for field, measure in limits
    )
