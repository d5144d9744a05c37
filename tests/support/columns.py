"""Helpers for tests of the steps that change the list of columns."""

import pyarrow as pa
import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Map

ROWS = pa.table({"a": [1, None], "b": ["x", "y"], "c": [[1], []]})


def check_columns(step: Map, names: list[str]) -> None:
    """The columns after the step are those it announces, with and without rows."""
    for table in (ROWS, ROWS.slice(0, 0)):
        out = step.apply(Batch(table))
        assert out.column_names == names == list(step.outputs(tuple(table.column_names)) or ())
        assert set(step.inputs()) <= set(table.column_names)
        if names:
            assert out.num_rows == table.num_rows


def check_missing_column(step: Map) -> None:
    """A column `bb` that does not exist is named with a suggestion."""
    with pytest.raises(InvalidJob, match="needs a column `bb`, which does not exist; did you mean `b`"):
        step.apply(Batch(ROWS))
