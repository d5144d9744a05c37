import pytest
from pydantic import ValidationError

from datajob.operators.table.limit import Limit


def test_the_number_of_rows_to_keep_is_known():
    assert Limit(count=5).rows() == 5
    assert Limit(count=0).rows() == 0
    assert Limit(count=5).outputs(("a",)) == ("a",)


@pytest.mark.parametrize("count", [-1, 1.5, "3"])
def test_an_invalid_count_is_rejected(count):
    with pytest.raises(ValidationError):
        Limit(count=count)
