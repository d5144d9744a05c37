"""flatMap calls a function that returns any number of rows."""

import pytest

from tests.support.functions import ROWS, flat_mapped


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words", [{"id": 1, "word": "a"}, {"id": 1, "word": "b"}, {"id": 2, "word": "c"}, {"id": 3, "word": "dd"}]),
        ("twice", [row for row in ROWS.to_pylist() for _ in range(2)]),
        ("no_rows", []),
    ],
)
def test_a_row_becomes_as_many_rows_as_the_function_returns(name, expected):
    assert flat_mapped(name).to_pylist() == expected
