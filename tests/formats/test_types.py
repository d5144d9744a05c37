"""Names of column types."""

import pyarrow as pa
import pytest

from datajob.formats.types import arrow_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("int64", pa.int64()),
        (" double ", pa.float64()),
        ("bool", pa.bool_()),
        ("date", pa.date32()),
        ("timestamp", pa.timestamp("us")),
        ("timestamp[ms, tz=Europe/Berlin]", pa.timestamp("ms", "Europe/Berlin")),
        ("time[s]", pa.time32("s")),
        ("time", pa.time64("us")),
        ("duration[ns]", pa.duration("ns")),
        ("decimal(10, 2)", pa.decimal128(10, 2)),
        ("decimal(5)", pa.decimal128(5, 0)),
        ("list<list<int8>>", pa.list_(pa.list_(pa.int8()))),
        ("map<string, list<int64>>", pa.map_(pa.string(), pa.list_(pa.int64()))),
        ("struct<a: decimal(4, 1), b: struct<c: string>>",
         pa.struct([("a", pa.decimal128(4, 1)), ("b", pa.struct([("c", pa.string())]))])),
    ],
)  # fmt: skip
def test_a_name_means_a_type(name: str, kind: pa.DataType) -> None:
    assert arrow_type(name) == kind


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int46", "did you mean int64"),
        ("nonsense", "known are int8"),
        ("decimal(50, 2)", "is not a type"),
        ("decimal(3, 4)", "is not a type"),
        ("list<int64, string>", "write list<int64>"),
        ("map<string>", "write list<int64> or map"),
        ("struct<a>", "a struct is written"),
        ("time[us, tz=UTC]", "is not a type"),
        ("list<>", "is not a type"),
    ],
)
def test_what_is_no_type_gets_a_hint(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrow_type(name)
