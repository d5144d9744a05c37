"""select, drop, rename: the steps that only touch the list of columns."""

import pyarrow as pa
import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.drop import Drop
from datajob.operators.table.rename import Rename
from datajob.operators.table.select import Select

ROWS = pa.table({"a": [1, None], "b": ["x", "y"], "c": [[1], []]})


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (Select(columns=["c", "a"]), ["c", "a"]),
        (Select(columns=["a", "a"]), ["a"]),
        (Drop(columns=["b"]), ["a", "c"]),
        (Drop(columns=["a", "b", "c"]), []),
        (Rename(columns={"a": "z"}), ["z", "b", "c"]),
        (Rename(columns={"a": "b", "b": "a"}), ["b", "a", "c"]),
    ],
)
@pytest.mark.parametrize("table", [ROWS, ROWS.slice(0, 0)])
def test_columns_come_out_as_announced(step, names, table):
    out = step.apply(Batch(table))
    assert out.column_names == names == list(step.outputs(tuple(table.column_names)))
    assert set(step.inputs()) <= set(table.column_names)
    if names:
        assert out.num_rows == table.num_rows


def test_a_renamed_column_keeps_its_values():
    assert Rename(columns={"a": "b", "b": "a"}).apply(Batch(ROWS)).to_pydict() == {
        "b": [1, None],
        "a": ["x", "y"],
        "c": [[1], []],
    }


@pytest.mark.parametrize("step", [Select(columns=["bb"]), Drop(columns=["bb"]), Rename(columns={"bb": "z"})])
def test_a_column_that_does_not_exist_is_named_with_a_suggestion(step):
    with pytest.raises(InvalidJob, match="needs a column `bb`, and there is none; did you mean `b`"):
        step.apply(Batch(ROWS))


def test_two_columns_cannot_get_the_same_name():
    with pytest.raises(InvalidJob, match="two columns named `b`"):
        Rename(columns={"a": "b"}).apply(Batch(ROWS))
