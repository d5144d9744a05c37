"""Base of the filters that compare one measure of a text with limits."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators.measures import Measure
from datajob.parameters import Column


class TextMeasure(Measure):
    """Keep rows whose text has a measure between `min` and `max`. Null and empty texts measure 0."""

    abstract: ClassVar[bool] = True
    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
