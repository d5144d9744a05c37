"""Plain text, by line and by file."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.formats.text import TextReader
from tests.support.rows import Bad, read


def reader(path: Path, **parameters: object) -> TextReader:
    return TextReader(paths=(str(path),), **parameters)


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\r\n\ufeff", exclude_categories=["Cs"]), max_size=5), max_size=30),
    ending=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    target=st.integers(1, 60),
)
def test_every_line_is_a_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ending: str, last: bool, target: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    text = ending.join(lines) + (ending if last and lines else "")
    path.write_bytes(text.encode())
    expected = lines if last or not lines or lines[-1] else lines[:-1]
    assert read(reader(path), target=target, batch_bytes=10).column("text").to_pylist() == expected


def test_a_line_that_is_not_in_the_encoding_is_a_bad_record(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\n\xff\xfe\nc")
    bad = Bad()
    assert read(reader(path), bad).column("text").to_pylist() == ["a", "c"]
    assert bad.records == [("\\xff\\xfe", f"{path}:byte 3: not valid utf-8: invalid start byte")]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "shift_jis", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = "é\nü\n" if encoding == "latin-1" else "日本\n中\n"
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    assert read(reader(tmp_path, encoding=encoding)).column("text").to_pylist() == text.split()
    (whole,) = read(reader(tmp_path, encoding=encoding, mode="file")).column("text").to_pylist()
    assert whole == text


def test_a_file_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\n\r\ntwo".encode())
    (tmp_path / "b.md").write_bytes(b"")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress("ü".encode()))
    (tmp_path / "d.txt").write_bytes(b"x\xff")
    (tmp_path / "e.bin").write_bytes(b"x")
    bad = Bad()
    rows = read(reader(tmp_path, mode="file", column="content", include_path="path"), bad).to_pylist()
    assert rows == [
        {"content": "one\r\n\r\ntwo", "path": f"{tmp_path}/a.txt"},
        {"content": "", "path": f"{tmp_path}/b.md"},
        {"content": "ü", "path": f"{tmp_path}/c.txt.gz"},
    ]
    assert bad.reasons == [f"{tmp_path}/d.txt:byte 1: not valid utf-8: invalid start byte"]


@pytest.mark.parametrize(("encoding", "message"), [("utf-16", "use `mode: file`"), ("klingon", "unknown encoding 'klingon'")])
def test_an_unsupported_encoding_is_an_error(encoding: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextReader(paths=("x",), encoding=encoding)
