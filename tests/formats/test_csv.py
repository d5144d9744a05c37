"""CSV: quoting, types learnt from the head, bad rows put aside, and what is written can be read."""

import csv
import datetime
import gzip
import io
import math
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.errors import InputError, InvalidJob
from datajob.formats import _csv_parse, _csv_scan
from datajob.formats._csv_blocks import record_blocks
from datajob.formats._csv_records import Dialect
from datajob.formats.csv import CsvReader, CsvWriter
from tests.support.rows import Bad, read, write


def reader(path: Path, **parameters: object) -> CsvReader:
    return CsvReader(paths=(str(path),), **parameters)


def put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
def test_parameters_say_how_a_file_is_written(tmp_path: Path, text: str, parameters: dict[str, object], rows: object) -> None:
    assert read(reader(put(tmp_path / "x.csv", text), **parameters)).to_pylist() == rows


def test_other_encodings_are_read(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "名,数\n中文,1\n".encode("gb18030"))
    assert read(reader(path, encoding="gb18030")).to_pylist() == [{"名": "中文", "数": 1}]


def test_tabs_separate_the_values_of_tsv_files(tmp_path: Path) -> None:
    put(tmp_path / "x.tsv.gz", gzip.compress(b"a\tb\n1\tx,y\n"))
    assert read(reader(tmp_path)).to_pylist() == [{"a": 1, "b": "x,y"}]


def test_bad_rows_go_aside_with_their_number_and_reason(tmp_path: Path) -> None:
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
def test_files_without_line_breaks_in_values_are_cut(
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
    "value",
    [
        "+4915112345678", "nan", "NaN", "inf", "123e45", "1e400", "1e-400", "18446744073709551615", "123456789012345678901234",
        "-0", "007", "00", "0x1F", "1_000", "TRUE", "True", "2024-02-30", "0.1234567890123456789", " 1", "1 ", ".", "-",
        "9223372036854775808", "+1.5", "-007", "e5", "१२३", "1.5.2",
    ],
)  # fmt: skip
def test_a_value_that_no_type_keeps_stays_text(tmp_path: Path, value: str) -> None:
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
def test_a_type_is_inferred_where_it_keeps_every_value(tmp_path: Path, values: tuple[str, ...], kind: pa.DataType) -> None:
    table = read(reader(put(tmp_path / "x.csv", "a,b\n" + "".join(f"{value},x\n" for value in values))))
    assert table.schema.field("a").type == kind
    if kind == pa.float64():
        assert [repr(value) for value in table.column("a").to_pylist()] == [repr(float(value)) for value in values]


def test_large_integers_of_one_file_and_decimals_of_another_are_text(tmp_path: Path) -> None:
    put(tmp_path / "1.csv", "id\n9007199254740993\n")
    put(tmp_path / "2.csv", "id\n1.5\n")
    assert read(reader(tmp_path)).column("id").to_pylist() == ["9007199254740993", "1.5"]


def test_a_value_behind_the_sample_that_its_type_does_not_keep_is_a_bad_row(
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


def test_types_need_not_be_inferred(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "a,b,c\n1,2.50,true\n")
    assert read(reader(path, infer_types=False, schema={"c": "bool"})).to_pylist() == [{"a": "1", "b": "2.50", "c": True}]


def test_a_number_beyond_its_declared_type_is_a_bad_row(tmp_path: Path) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", "a\n1e400\ninf\n2\n"), schema={"a": "double"}), bad)
    assert table.column("a").to_pylist() == [math.inf, 2.0]
    assert len(bad.records) == 1


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize("wrong", [(10,), (0,), (99,), (10, 11), (10, 50, 90), (5, 7, 9, 11)])
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_quote_that_is_never_closed_costs_its_line_only(
    tmp_path: Path, wrong: tuple[int, ...], ending: str, multiline: bool
) -> None:
    lines = [f'{i},"5 inch' if i in wrong else f'{i},"a ""b"", c"' if i % 7 == 0 else f"{i},row {i}" for i in range(100)]
    path = put(tmp_path / "x.csv", "id,text\n" + (ending or "\n").join(lines) + ending)
    bad = Bad()
    table = read(reader(path, multiline=multiline), bad)
    good = [i for i in range(100) if i not in wrong]
    assert table.column("id").to_pylist() == good
    assert table.column("text").to_pylist() == ['a "b", c' if i % 7 == 0 else f"row {i}" for i in good]
    assert bad.records == [(f'{i},"5 inch', f"{path}:row {i + 2}: a quote is opened but not closed correctly") for i in wrong]


def test_a_value_of_several_lines_before_an_open_quote_belongs_to_the_same_bad_row(tmp_path: Path) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", 'a,b\n1,"x\ny"\n"p\nq","5\n3,z\n')), bad)
    assert table.to_pylist() == [{"a": 1, "b": "x\ny"}, {"a": 3, "b": "z"}]
    assert [text for text, _ in bad.records] == ['"p\nq","5']


@settings(deadline=None, max_examples=200)
@given(
    rows=st.lists(st.lists(st.text('ab",\n 5é', max_size=6), min_size=2, max_size=2), max_size=30),
    block=st.integers(1, 60),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_blocks_of_any_size_hold_the_rows_that_pythons_csv_wrote(rows: list[list[str]], block: int, quoting: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows([["x", "y"], *rows])
    dialect = Dialect(",", '"', nulls=())
    blocks = record_blocks(io.BytesIO(text.getvalue().encode()), dialect, block)
    assert [edit for records in blocks for edit in records.edits] == []
    whole = list(record_blocks(io.BytesIO(text.getvalue().encode()), dialect, block))
    assert b"".join(records.data for records in whole).decode() == text.getvalue()
    for records in whole:
        found, ragged = _csv_parse._arrow_rows(records.data, ",", ("x", "y"), ("x", "y"), dialect)
        assert ragged == []
        expected = [row for row in csv.reader(io.StringIO(records.data.decode(), newline="")) if row]
        assert [[row["x"].decode(), row["y"].decode()] for row in found.to_pylist()] == expected


def test_quotes_are_ordinary_characters_when_quoting_is_off(tmp_path: Path) -> None:
    path = put(tmp_path / "x.tsv", 'a\tb\n1\t5"\n2\t"x\n3\t"y"\n')
    assert read(reader(path, quote="")).column("b").to_pylist() == ['5"', '"x', '"y"']


def test_quotes_inside_of_values_are_ordinary_characters(tmp_path: Path) -> None:
    table = read(reader(put(tmp_path / "x.csv", 'a,b\n1,5" pipe\n2,"x, y"\n3,z"\n4,"a"b\n')))
    assert table.column("b").to_pylist() == ['5" pipe', "x, y", 'z"', "ab"]


@pytest.mark.parametrize(
    ("ragged", "rows", "failed"),
    [
        ("fail", [(4, "d", "e")], 3),
        ("fill", [(1, "a", None), (3, None, None), (4, "d", "e")], 1),
        ("cut", [(2, "b,b", "c"), (4, "d", "e")], 2),
        ("fit", [(1, "a", None), (2, "b,b", "c"), (3, None, None), (4, "d", "e")], 0),
    ],
)
def test_ragged_rows_fail_or_are_fitted(tmp_path: Path, ragged: str, rows: list[tuple[object, ...]], failed: int) -> None:
    bad = Bad()
    path = put(tmp_path / "x.csv", 'id,text,x\n1,a\n2,"b,b",c,"d\ne"\n3\n4,d,e\n')
    table = read(reader(path, ragged=ragged), bad)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert len(bad.records) == failed


def test_lines_are_skipped_comments_left_out_and_blanks_removed(tmp_path: Path) -> None:
    text = 'made by "x\n\nid, text\n# 1, "\n1, "a, b"\n2,\t c d\n#'
    table = read(reader(put(tmp_path / "x.csv", text), skip_lines=1, comment="#", skip_blanks=True))
    assert table.to_pylist() == [{"id": 1, "text": "a, b"}, {"id": 2, "text": "c d"}]


@pytest.mark.parametrize("delimiter", ["||", "é", "::;"])
def test_delimiters_may_be_of_several_bytes(tmp_path: Path, delimiter: str) -> None:
    text = f'id{delimiter}t\n1{delimiter}"a{delimiter}b"\n2{delimiter}|:c\n3\n'
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", text), delimiter=delimiter), bad)
    assert table.to_pylist() == [{"id": 1, "t": f"a{delimiter}b"}, {"id": 2, "t": "|:c"}]
    assert len(bad.records) == 1


def test_a_row_of_40_megabytes_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", "id,t\n0,a\n1," + "x" * 40_000_000 + "\n2,b\n")
    assert [len(value.as_py()) for value in read(reader(path)).column("t")] == [1, 40_000_000, 1]


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_record_that_is_too_long_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quote: str) -> None:
    monkeypatch.setattr(_csv_scan, "LARGEST_RECORD", 1 << 20)
    monkeypatch.setattr(_csv_parse, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr("datajob.formats.csv.BLOCK_BYTES", 1 << 16)
    path = put(tmp_path / "x.csv", "id,t\n0,a\n1," + "x" * 3_000_000 + "\n2,b\n")
    bad = Bad()
    assert read(reader(path, quote=quote), bad, batch_bytes=1).column("id").to_pylist() == [0, 2]
    assert [reason.split(": ")[1] for reason in bad.reasons] == ["longer than 256 MiB"]


def test_the_first_value_of_a_file_without_header_may_be_long(tmp_path: Path) -> None:
    table = read(reader(put(tmp_path / "x.csv", "x" * 300_000 + ",1\ny,2\n"), header=False))
    assert table.column("f1").to_pylist() == [1, 2]


def test_rows_that_are_not_utf8_and_ragged_are_both_reported(tmp_path: Path) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", b"a,b\n1,\xff,2\n2,\xe9\n3,\xc3\xa9\n")), bad)
    assert table.to_pylist() == [{"a": 3, "b": "é"}]
    assert [text for text, _ in bad.records] == ["1,\\xff,2", "2,\\xe9"]


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
    ("text", "parameters", "schema"),
    [
        ("", {"schema": {"a": "int64"}, "columns": ("a", "b")}, {"a": pa.int64(), "b": pa.string()}),
        ("", {"names": ("a", "b"), "schema": {"b": "double"}}, {"b": pa.float64(), "a": pa.string()}),
        ("a,b\n", {"schema": {"b": "date"}}, {"a": pa.string(), "b": pa.date32()}),
        ("\n\n", {}, {}),
    ],
)
def test_a_file_without_rows_has_the_columns_that_are_known(
    tmp_path: Path, text: str, parameters: dict[str, object], schema: dict[str, pa.DataType]
) -> None:
    table = read(reader(put(tmp_path / "x.csv", text), **parameters))
    assert table.num_rows == 0
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == schema


@pytest.mark.parametrize(
    "parameters", [{"quote": "é"}, {"quote": "\n"}, {"delimiter": '"'}, {"delimiter": "\n"}, {"encoding": "utf-99"}]
)
def test_characters_that_cannot_work_are_refused(tmp_path: Path, parameters: dict[str, object]) -> None:
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


def test_nested_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"column l is list<item: int64>, which CSV cannot represent"):
        write(CsvWriter(path=str(tmp_path)), pa.table({"l": [[1]]}))
