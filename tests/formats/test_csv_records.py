"""The records of CSV files: quotes, ragged rows, comments, delimiters, and records of any length."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.formats import _csv_parse, _csv_scan
from datajob.formats._csv_blocks import record_blocks
from datajob.formats._csv_records import Dialect
from datajob.formats.csv import CsvReader
from tests.support.input_files import put
from tests.support.rows import Bad, read


def reader(path: Path, **parameters: object) -> CsvReader:
    return CsvReader(paths=(str(path),), **parameters)


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize("wrong", [(10,), (0,), (99,), (10, 11), (10, 50, 90), (5, 7, 9, 11)])
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_quote_that_is_never_closed_affects_only_its_line(
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


def test_a_bad_row_includes_the_multiline_value_before_an_open_quote(tmp_path: Path) -> None:
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
def test_blocks_of_any_size_contain_the_rows_that_the_csv_module_wrote(rows: list[list[str]], block: int, quoting: int) -> None:
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


def test_quotes_are_ordinary_characters_if_quoting_is_disabled(tmp_path: Path) -> None:
    path = put(tmp_path / "x.tsv", 'a\tb\n1\t5"\n2\t"x\n3\t"y"\n')
    assert read(reader(path, quote="")).column("b").to_pylist() == ['5"', '"x', '"y"']


def test_quotes_inside_values_are_ordinary_characters(tmp_path: Path) -> None:
    table = read(reader(put(tmp_path / "x.csv", 'a,b\n1,5" pipe\n2,"x, y"\n3,z"\n')))
    assert table.column("b").to_pylist() == ['5" pipe', "x, y", 'z"']


@pytest.mark.parametrize(
    ("ragged", "rows", "failed"),
    [
        ("fail", [(4, "d", "e")], 3),
        ("fill", [(1, "a", None), (3, None, None), (4, "d", "e")], 1),
        ("cut", [(2, "b,b", "c"), (4, "d", "e")], 2),
        ("fit", [(1, "a", None), (2, "b,b", "c"), (3, None, None), (4, "d", "e")], 0),
    ],
)
def test_ragged_rows_fail_or_are_adapted(tmp_path: Path, ragged: str, rows: list[tuple[object, ...]], failed: int) -> None:
    bad = Bad()
    path = put(tmp_path / "x.csv", 'id,text,x\n1,a\n2,"b,b",c,"d\ne"\n3\n4,d,e\n')
    table = read(reader(path, ragged=ragged), bad)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert len(bad.records) == failed


def test_leading_lines_comments_and_blanks_are_skipped(tmp_path: Path) -> None:
    text = 'made by "x\n\nid, text\n# 1, "\n1, "a, b"\n2,\t c d\n#'
    table = read(reader(put(tmp_path / "x.csv", text), skip_lines=1, comment="#", skip_blanks=True))
    assert table.to_pylist() == [{"id": 1, "text": "a, b"}, {"id": 2, "text": "c d"}]


@pytest.mark.parametrize("delimiter", ["||", "é", "::;"])
def test_delimiters_can_have_several_bytes(tmp_path: Path, delimiter: str) -> None:
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


def test_the_first_value_of_a_file_without_a_header_can_be_long(tmp_path: Path) -> None:
    table = read(reader(put(tmp_path / "x.csv", "x" * 300_000 + ",1\ny,2\n"), header=False))
    assert table.column("f1").to_pylist() == [1, 2]


def test_rows_that_are_not_utf8_and_ragged_are_both_reported(tmp_path: Path) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.csv", b"a,b\n1,\xff,2\n2,\xe9\n3,\xc3\xa9\n")), bad)
    assert table.to_pylist() == [{"a": 3, "b": "é"}]
    assert [text for text, _ in bad.records] == ["1,\\xff,2", "2,\\xe9"]
