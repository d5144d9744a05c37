"""Tables without rows on their way through the steps, for the columns that a result without rows has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from datajob.engine.plan.steps import Step
from datajob.operators.base import Batch, Filter, FlatMap, Map, ModelFilter, Operator

if TYPE_CHECKING:
    import pyarrow as pa


def after_steps(table: pa.Table, steps: Iterable[Step[Operator]]) -> pa.Table:
    """A table without rows after row-local steps."""
    for step in steps:
        table = after_step(table, step.operator)
    return table


def after_step(table: pa.Table, operator: Operator) -> pa.Table:
    """A table without rows after a step that is not a repartition."""
    import pyarrow as pa

    batch = Batch(table)
    if isinstance(operator, Map):
        return operator.apply(batch)
    if isinstance(operator, FlatMap):
        return operator.expand(batch)
    columns = (
        dict(operator.keep(batch).columns) if isinstance(operator, Filter) and not isinstance(operator, ModelFilter) else {}
    )
    for name in operator.outputs(tuple(table.column_names)) or ():  # a model's: their types are known only once it has run
        if name not in table.column_names:
            columns.setdefault(name, pa.array([], pa.string()))
    for name, column in columns.items():
        index = table.schema.get_field_index(name)
        table = table.append_column(name, column) if index < 0 else table.set_column(index, name, column)
    return table
