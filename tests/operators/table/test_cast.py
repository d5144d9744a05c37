from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.formats.types import arrow_type
from datajob.operators.base import Batch
from datajob.operators.table.cast import Cast


def cast(values, name):
    return Cast(columns={"v": name}).apply(Batch(pa.table({"v": values}))).column("v")


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (["1", None, "-20"], "int64", [1, None, -20]),
        (["1.5"], "float64", [1.5]),
        (["1.5"], "double", [1.5]),
        ([1, None], "string", ["1", None]),
        ([1.0, 2.0], "int", [1, 2]),
        (["2020-01-02"], "date", [date(2020, 1, 2)]),
        (["2020-01-02 03:04:05"], "timestamp[us]", [datetime(2020, 1, 2, 3, 4, 5)]),
        (["2020-01-02T03:04:05Z"], "timestamp[ms, tz=UTC]", [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)]),
        (["1.25"], "decimal(10, 2)", [Decimal("1.25")]),
        ([b"abc"], "string", ["abc"]),
        (["true", "0"], "bool", [True, False]),
        ([["1", None], None], "list<int64>", [[1, None], None]),
        ([], "int64", []),
        ([None, None], "string", [None, None]),
    ],
)
def test_values_are_cast_to_the_type(values, name, expected):
    out = cast(values, name)
    assert out.to_pylist() == expected
    assert out.type == arrow_type(name)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["1x"], "int64"),
        ([300], "int8"),
        ([-1], "uint8"),
        ([1.5], "int64"),
        ([b"\xff"], "string"),
        (["1.255"], "decimal(10, 2)"),
        ([[1]], "int64"),
        (["yesterday"], "date"),
    ],
)
def test_a_value_that_does_not_fit_raises_and_names_the_column(values, name):
    with pytest.raises(ValueError, match="column `v` cannot be cast to"):
        cast(values, name)


def test_an_unknown_type_is_refused_when_the_job_is_read():
    with pytest.raises(ValidationError, match="did you mean int64"):
        Cast(columns={"v": "int46"})


def test_a_missing_column_is_an_error_of_the_job():
    with pytest.raises(InvalidJob, match="did you mean `v`"):
        Cast(columns={"V": "int64"}).apply(Batch(pa.table({"v": [1]})))


def test_it_knows_the_columns_before_and_after():
    assert Cast(columns={"v": "int64"}).inputs() == ("v",)
    assert Cast(columns={"v": "int64"}).outputs(("u", "v")) == ("u", "v")
