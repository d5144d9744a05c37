"""CSV files: rows, headers, encodings, and reading back what was written."""

import csv
import datetime
import gzip
import math
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.errors import InputError, InvalidJob
from datajob.formats import _csv_parse
from datajob.formats.csv import CsvReader, CsvWriter
from tests.support.input_files import put
from tests.support.rows import Bad, read, write


def reader(path: Path, **parameters: object) -> CsvReader:
    return CsvReader(paths=(str(path),), **parameters)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,x\n2,y\n", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ("\ufeffa,b\r\n1,x\r\n\r\n2,y", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ('a,b\n1,"x,""y""\nz"\n', [{"a": 1, "b": 'x,"y"\nz'}]),
        ('"a\nb",c\n1,2\n', [{"a\nb": 1, "c": 2}]),
        ('a,b\n,""\nNA,NULL\n', [{"a": None, "b": ""}, {"a": "NA", "b": "NULL"}]),
        ("a,b,c\n1,1.5,true\n-2,1e3,false\n", [{"a": 1, "b": 1.5, "c": True}, {"a": -2, "b": 1000.0, "c": False}]),
        ("zip,day\n007,2024-01-01\n", [{"zip": "007", "day": "2024-01-01"}]),
        ("a,b\n", []),
        ("", []),
        ("a\n\n\n1\n", [{"a": 1}]),
        ("a,b\n,\n", [{"a": None, "b": None}]),
    ],
)
def test_csv_is_read(tmp_path: Path, text: str, rows: list[object]) -> None:
    bad = Bad()
    assert read(reader(put(tmp_path / "x.csv", text)), bad).to_pylist() == rows
    assert bad.records == []


@pytest.mark.parametrize(
    ("text", "parameters", "rows"),
    [
        ("1;x\n2;y\n", {"delimiter": ";", "header": False}, [{"f0": 1, "f1": "x"}, {"f0": 2, "f1": "y"}]),
        ("1,x\n", {"header": False, "names": ("a", "b")}, [{"a": 1, "b": "x"}]),
        ("q,r\n1,x\n", {"names": ("a", "b")}, [{"a": 1, "b": "x"}]),
        ("a,b\n1,'x,y'\n", {"quote": "'"}, [{"a": 1, "b": "x,y"}]),
        ('a,b\n1,"x\\"y"\n', {"escape": "\\"}, [{"a": 1, "b": 'x"y'}]),
        ("a,b\n\\N,NA\n", {"nulls": ("\\N", "NA")}, [{"a": None, "b": None}]),
        ("a,b\n1,2\n", {"schema": {"a": "string", "b": "double"}}, [{"a": "1", "b": 2.0}]),
        ("a,t\n1,2024-01-02\n", {"schema": {"t": "date"}}, [{"a": 1, "t": datetime.date(2024, 1, 2)}]),
        ("a,b,c\n1,2,3\n", {"columns": ("c", "a")}, [{"c": 3, "a": 1}]),
    ],
)
def test_parameters_describe_the_dialect_of_a_file(
    tmp_path: Path, text: str, parameters: dict[str, object], rows: object
) -> None:
    assert read(reader(put(tmp_path / "x.csv", text), **parameters)).to_pylist() == rows


def test_other_encodings_are_read(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "名,数\n中文,1\n".encode("gb18030"))
    assert read(reader(path, encoding="gb18030")).to_pylist() == [{"名": "中文", "数": 1}]


def test_tabs_separate_the_values_of_tsv_files(tmp_path: Path) -> None:
    put(tmp_path / "x.tsv.gz", gzip.compress(b"a\tb\n1\tx,y\n"))
    assert read(reader(tmp_path)).to_pylist() == [{"a": 1, "b": "x,y"}]


def test_bad_rows_are_reported_with_their_number_and_reason(tmp_path: Path) -> None:
    data = b'a,b,c\n1,"x\ny",\n2,z\n3,\xff,z\n4,5,6,7\nx,z,z\n8,9,z\n'
    path = put(tmp_path / "x.csv", data)
    bad = Bad()
    table = read(reader(path, schema={"a": "int64", "b": "string"}), bad)
    assert table.to_pydict() == {"a": [1, 8], "b": ["x\ny", "9"], "c": [None, "z"]}
    assert sorted(bad.records, key=lambda record: record[1]) == [
        ("2,z", f"{path}:row 3: has 2 values, but there are 3 columns; set `ragged` to fill or cut such rows"),
        ("3,\\xff,z", f"{path}:row 4: column b is not valid UTF-8"),
        ("4,5,6,7", f"{path}:row 5: has 4 values, but there are 3 columns"),
        ("x,z,z", f"{path}:row 6: column a is not int64"),
    ]


def test_files_with_different_headers_and_types_are_united(tmp_path: Path) -> None:
    put(tmp_path / "1.csv", "a,b\n1,1\n")
    put(tmp_path / "2.csv", "b,c\nx,\n")
    put(tmp_path / "3.csv", "a,c\n2.5,true\n")
    assert read(reader(tmp_path)).to_pylist() == [
        {"a": 1.0, "b": "1", "c": None},
        {"a": None, "b": "x", "c": None},
        {"a": 2.5, "b": None, "c": True},
    ]


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        ("a,a\n1,2\n", {}, "two columns have the name 'a'"),
        ("a,b\n1,2\n", {"names": ("x",)}, "`names` has 1 columns but the first row has 2"),
        ("a,b\n1,2\n", {"columns": ("aa",)}, "no column aa; did you mean a"),
    ],
)
def test_headers_that_do_not_fit_are_errors(tmp_path: Path, text: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(reader(put(tmp_path / "x.csv", text), **parameters))


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(0, 200), target=st.integers(1, 500), header=st.booleans())
def test_files_without_line_breaks_in_values_are_split(
    tmp_path_factory: pytest.TempPathFactory, rows: int, target: int, header: bool
) -> None:
    lines = ["a,b"] * header + [f'{i},"x{i}"' for i in range(rows)]
    path = put(tmp_path_factory.getbasetemp() / "cut.csv", "\n".join(lines))
    cut = reader(path, multiline=False, header=header, names=("a", "b"), schema={"a": "int64", "b": "string"})
    bad = Bad()
    table = read(cut, bad, target=target)
    assert table.column("a").to_pylist() == list(range(rows)) if rows else table.num_rows == 0
    assert bad.records == []


def test_a_row_larger_than_a_block_of_the_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_parse, "SAMPLE_BYTES", 1)
    path = put(tmp_path / "x.csv", f'a,b\n1,"{"x" * 300_000}"\n2,y\n')
    assert read(reader(path)).column("a").to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("column", "back"),
    [
        (pa.array([1, None, 3]), [1, None, 3]),
        (pa.array([1.5, None]), [1.5, None]),
        (pa.array(["a", None, "", "b"]), ["a", "", "", "b"]),
        (pa.array([None, None], pa.string()), ["", ""]),
    ],
)
def test_null_in_the_only_column_is_still_a_row(tmp_path: Path, column: pa.Array, back: list[object]) -> None:
    write(CsvWriter(path=str(tmp_path)), pa.table({"a": column}))
    assert read(reader(tmp_path)).column("a").to_pylist() == back
    with (tmp_path / "00000-000.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(column)


@pytest.mark.parametrize(
    "parameters", [{"quote": "é"}, {"quote": "\n"}, {"delimiter": '"'}, {"delimiter": "\n"}, {"encoding": "utf-99"}]
)
def test_unsupported_characters_and_encodings_are_invalid(tmp_path: Path, parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        reader(tmp_path, **parameters)


TABLE = pa.table(
    {
        "i": [1, None],
        "s": ['é"\n,x', ""],
        "f": [1.5, math.nan],
        "t": pa.array([datetime.datetime(2024, 1, 1, 1, 2, 3, 4), None]),
        "b": [b"\x00\xff", None],
        "bool": [True, None],
    }
)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_what_was_written_is_read(tmp_path: Path, compression: str) -> None:
    (file,) = write(CsvWriter(path=str(tmp_path), compression=compression), TABLE, TABLE.slice(1))
    assert file.rows == 3
    types = {"t": "timestamp[us]", "f": "double"}
    rows = read(reader(tmp_path, schema=types)).to_pylist()
    assert rows[0] == {**TABLE.to_pylist()[0], "b": "AP8="}
    assert {k: v for k, v in rows[2].items() if k != "f"} == {"i": None, "s": "", "t": None, "b": None, "bool": None}
    assert math.isnan(rows[1]["f"])


def test_other_tools_read_what_was_written(tmp_path: Path) -> None:
    write(CsvWriter(path=str(tmp_path), delimiter=";"), TABLE)
    with (tmp_path / "00000-000.csv").open(newline="", encoding="utf-8") as file:
        header, first, _ = csv.reader(file, delimiter=";")
    assert header == TABLE.column_names
    assert first == ["1", 'é"\n,x', "1.5", "2024-01-01T01:02:03.000004", "AP8=", "true"]


def test_nested_columns_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"column l is list<item: int64>, which CSV cannot represent"):
        write(CsvWriter(path=str(tmp_path)), pa.table({"l": [[1]]}))


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r", "é", "1", "e", ".", "-"])
def test_a_delimiter_that_is_part_of_values_is_refused(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(ValidationError, match="delimiter must be an ASCII character that is not part of numbers"):
        CsvWriter(path=str(tmp_path), delimiter=delimiter)
