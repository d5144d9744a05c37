"""select keeps the named columns."""

import pytest

from datajob.operators.table.select import Select
from tests.support.columns import check_columns, check_missing_column


@pytest.mark.parametrize(("columns", "names"), [(["c", "a"], ["c", "a"]), (["a", "a"], ["a"])])
def test_the_declared_columns_are_returned(columns, names):
    check_columns(Select(columns=columns), names)


def test_a_column_that_does_not_exist_is_named_with_a_suggestion():
    check_missing_column(Select(columns=["bb"]))
