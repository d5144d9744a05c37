"""Limits of measures, of filters whose parameters are one limit each."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic.alias_generators import to_camel

from datajob.operators.base import Bound
from datajob.parameters import Parameters


def bounds_of(parameters: Parameters, limits: Iterable[tuple[str, str]]) -> tuple[Bound, ...]:
    """A `Bound` for each pair of a field, called `min_...` or `max_...`, and the measure that it limits."""
    return tuple(
        Bound(to_camel(field), measure, getattr(parameters, field), is_least=field.startswith("min_"))
        for field, measure in limits
    )
