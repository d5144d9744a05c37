"""drop removes the named columns."""

import pytest

from datajob.operators.table.drop import Drop
from tests.support.columns import check_columns, check_missing_column


@pytest.mark.parametrize(("columns", "names"), [(["b"], ["a", "c"]), (["a", "b", "c"], [])])
def test_the_declared_columns_are_returned(columns, names):
    check_columns(Drop(columns=columns), names)


def test_a_column_that_does_not_exist_is_named_with_a_suggestion():
    check_missing_column(Drop(columns=["bb"]))
