"""rename changes the names of columns."""

import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.rename import Rename
from tests.support.columns import ROWS, check_columns, check_missing_column


@pytest.mark.parametrize(("columns", "names"), [({"a": "z"}, ["z", "b", "c"]), ({"a": "b", "b": "a"}, ["b", "a", "c"])])
def test_the_declared_columns_are_returned(columns, names):
    check_columns(Rename(columns=columns), names)


def test_a_column_that_does_not_exist_is_named_with_a_suggestion():
    check_missing_column(Rename(columns={"bb": "z"}))


def test_a_renamed_column_keeps_its_values():
    assert Rename(columns={"a": "b", "b": "a"}).apply(Batch(ROWS)).to_pydict() == {
        "b": [1, None],
        "a": ["x", "y"],
        "c": [[1], []],
    }


def test_two_columns_cannot_get_the_same_name():
    with pytest.raises(InvalidJob, match="two columns named `b`"):
        Rename(columns={"a": "b"}).apply(Batch(ROWS))
