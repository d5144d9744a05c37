import pytest
from pydantic import ValidationError

from datajob.operators.table.limit import Limit


def test_it_says_how_many_rows_to_keep():
    assert Limit(count=5).rows() == 5
    assert Limit(count=0).rows() == 0
    assert Limit(count=5).outputs(("a",)) == ("a",)


@pytest.mark.parametrize("count", [-1, 1.5, "3"])
def test_what_is_no_count_is_refused(count):
    with pytest.raises(ValidationError):
        Limit(count=count)
