"""Operators, and the classes that your own operators subclass: `Filter`, `Map`, `FlatMap`, `Model` and the global kinds.

An operator is a frozen pydantic model of parameters and one method on Arrow. The names in `__all__` are public.
"""

from datajob.operators.base import (
    Batch,
    Bound,
    Deduplicate,
    Device,
    Filter,
    FlatMap,
    Head,
    Inferred,
    Map,
    Measures,
    Model,
    ModelOutputCache,
    ModelResources,
    Observe,
    Operator,
    Ranking,
    Repartition,
    Verdict,
)
from datajob.parameters import Column, Columns, NewColumn

__all__ = [
    "Batch",
    "Bound",
    "Column",
    "Columns",
    "Deduplicate",
    "Device",
    "Filter",
    "FlatMap",
    "Head",
    "Inferred",
    "Map",
    "Measures",
    "Model",
    "ModelOutputCache",
    "ModelResources",
    "NewColumn",
    "Observe",
    "Operator",
    "Ranking",
    "Repartition",
    "Verdict",
]
