"""Types of CSV columns: inferred or declared, and only if every value survives."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.formats import _csv_parse
from datajob.formats.csv import CsvReader
from tests.support.input_files import put
from tests.support.rows import Bad, read


def reader(path: Path, **parameters: object) -> CsvReader:
    return CsvReader(paths=(str(path),), **parameters)


@pytest.mark.parametrize(
    "value",
    [
        "+4915112345678", "nan", "NaN", "inf", "123e45", "1e400", "1e-400", "18446744073709551615", "123456789012345678901234",
        "-0", "007", "00", "0x1F", "1_000", "TRUE", "True", "2024-02-30", "0.1234567890123456789", " 1", "1 ", ".", "-",
        "9223372036854775808", "+1.5", "-007", "e5", "१२३", "1.5.2",
    ],
)  # fmt: skip
def test_a_value_that_no_type_represents_exactly_is_text(tmp_path: Path, value: str) -> None:
    table = read(reader(put(tmp_path / "x.csv", f"a,b\n{value},{value}\n,1\n{value},0\n")))
    assert table.to_pylist() == [{"a": value, "b": value}, {"a": None, "b": "1"}, {"a": value, "b": "0"}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("9223372036854775807", "-9223372036854775808"), pa.int64()),
        (("1.50", "1e5", "-.5", "5.", "0.30000000000000004", "1e-05", "-0.0"), pa.float64()),
        (("9007199254740993", "1.5"), pa.string()),
        (("9007199254740992", "1.5"), pa.float64()),
        (("1e5", "12"), pa.string()),
        (("true", "false"), pa.bool_()),
    ],
)
def test_a_type_is_inferred_if_it_represents_every_value_exactly(
    tmp_path: Path, values: tuple[str, ...], kind: pa.DataType
) -> None:
    table = read(reader(put(tmp_path / "x.csv", "a,b\n" + "".join(f"{value},x\n" for value in values))))
    assert table.schema.field("a").type == kind
    if kind == pa.float64():
        assert [repr(value) for value in table.column("a").to_pylist()] == [repr(float(value)) for value in values]


def test_large_integers_in_one_file_and_decimals_in_another_are_text(tmp_path: Path) -> None:
    put(tmp_path / "1.csv", "id\n9007199254740993\n")
    put(tmp_path / "2.csv", "id\n1.5\n")
    assert read(reader(tmp_path)).column("id").to_pylist() == ["9007199254740993", "1.5"]


def test_a_value_after_the_sample_that_does_not_fit_its_type_is_a_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_csv_parse, "SAMPLE_BYTES", 1)
    head = "1,2.5,true\n" * 20_000
    tail = "007,1,true\n2,nan,true\n3,1e400,true\n4,9007199254740993,true\n5,0.5,1\n-0,1.5,true\n+6,1,true\n7,7.5,false\n"
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", "a,b,c\n" + head + tail)), bad)
    assert table.slice(20_000).to_pylist() == [{"a": 7, "b": 7.5, "c": False}]
    assert [reason.split(": ", 1)[1].split(";")[0] for reason in bad.reasons] == [
        "column a: '007' cannot be represented exactly as int64",
        "column b: 'nan' cannot be represented exactly as double",
        "column b: '1e400' cannot be represented exactly as double",
        "column b: '9007199254740993' cannot be represented exactly as double",
        "column c: '1' cannot be represented exactly as bool",
        "column a: '-0' cannot be represented exactly as int64",
        "column a is not int64",
    ]


def test_type_inference_can_be_disabled(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "a,b,c\n1,2.50,true\n")
    assert read(reader(path, infer_types=False, schema={"c": "bool"})).to_pylist() == [{"a": "1", "b": "2.50", "c": True}]


def test_a_number_that_its_declared_type_cannot_represent_is_a_bad_row(tmp_path: Path) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", "a\n1e400\ninf\n2\n"), schema={"a": "double"}), bad)
    assert table.column("a").to_pylist() == [math.inf, 2.0]
    assert len(bad.records) == 1


@pytest.mark.parametrize(
    ("text", "parameters", "schema"),
    [
        ("", {"schema": {"a": "int64"}, "columns": ("a", "b")}, {"a": pa.int64(), "b": pa.string()}),
        ("", {"names": ("a", "b"), "schema": {"b": "double"}}, {"b": pa.float64(), "a": pa.string()}),
        ("a,b\n", {"schema": {"b": "date"}}, {"a": pa.string(), "b": pa.date32()}),
        ("\n\n", {}, {}),
    ],
)
def test_a_file_without_rows_has_its_known_columns(
    tmp_path: Path, text: str, parameters: dict[str, object], schema: dict[str, pa.DataType]
) -> None:
    table = read(reader(put(tmp_path / "x.csv", text), **parameters))
    assert table.num_rows == 0
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == schema
