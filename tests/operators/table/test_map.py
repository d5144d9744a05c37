"""map calls a function on each row."""

import pytest

from datajob.operators.base import Batch
from datajob.operators.table.map import Map
from tests.support import table_functions
from tests.support.functions import HERE, ROWS, mapped


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("add_length", {}, {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "length": [3, 1, 2]}),
        ("only", {"column": "id", "times": 10}, {"id": [10, 20, 30]}),
        ("Counter", {"start": 10}, {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "n": [13, 11, 12]}),
    ],
)
def test_a_function_is_called_for_each_row(name, params, expected):
    assert mapped(name, params=params).to_pydict() == expected


def test_a_class_is_instantiated_once_per_process():
    table_functions.Counter.made = 0
    step = Map(function=f"{HERE}:Counter", params={"start": 77})
    for _ in range(3):
        step.apply(Batch(ROWS))
    assert table_functions.Counter.made == 1
