"""Filters by one measure of a text."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datajob.operators.measures import Measure
from datajob.parameters import Column


class TextMeasure(Measure):
    """Keep rows whose text measures within limits. A text without anything to measure (null, empty) measures 0."""

    abstract: ClassVar[bool] = True
    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="The text.")
