import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.distinct import Distinct
from tests.support.exchange import deduplicated

CELL = st.none() | st.sampled_from(["", "a", "b"])


@given(
    st.lists(st.tuples(CELL, CELL, st.none() | st.lists(st.integers(0, 1), max_size=1))), st.integers(1, 4), st.integers(1, 9)
)
@settings(max_examples=60, deadline=None)
def test_the_first_of_equal_rows_stays_regardless_of_the_partitions(rows, partitions, size):
    kinds = [pa.string(), pa.large_string(), pa.list_(pa.int64())]
    table = pa.table({name: pa.array([r[i] for r in rows], kinds[i]) for i, name in enumerate("abc")})
    for columns, key in ((None, repr), (("a",), lambda r: r[0]), (("a", "b"), lambda r: r[:2])):
        first = {}
        for i, row in enumerate(rows):
            first.setdefault(key(row), i)
        assert deduplicated(Distinct(columns=columns), table, partitions, size) == sorted(first.values())


def test_the_rows_to_drop_name_the_row_they_repeat():
    step = Distinct()
    found = step.signatures(Batch(pa.table({"a": [1, 2, 1, 1]})))
    found = found.set_column(0, "row", found.column("row").cast(pa.int64()))
    assert step.resolve(found).sort_by("row").to_pylist() == [{"row": 2, "kept": 0}, {"row": 3, "kept": 0}]


def test_a_missing_column_is_an_error_of_the_job():
    with pytest.raises(InvalidJob, match="did you mean `a`"):
        Distinct(columns=["A"]).signatures(Batch(pa.table({"a": [1]})))
    assert Distinct(columns=["A"]).inputs() == ("A",)
    assert Distinct().inputs() == ()
