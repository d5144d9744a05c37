"""WebDataset: rows written as samples of tar files."""

import json
import tarfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InvalidJob, SinkError
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.support.rows import read, write


def reader(path: Path, **parameters: object) -> WebdatasetReader:
    return WebdatasetReader(paths=(str(path),), **parameters)


TABLE = pa.table(
    {
        "image": [b"\xff\xd8", b"\xff\xd9", None],
        "caption": ["é", "b", "c"],
        "score": [0.5, None, 1.0],
        "tags": [["a"], [], None],
    }
)


def test_rows_become_samples(tmp_path: Path) -> None:
    writer = WebdatasetWriter(path=str(tmp_path), members={"jpg": "image", "txt": "caption"}, samples=2)
    files = write(writer, TABLE)
    assert [(file.path, file.rows) for file in files] == [("00000-000.tar", 2), ("00000-001.tar", 1)]
    with tarfile.open(tmp_path / "00000-000.tar") as file:
        assert file.getnames() == [f"00000-000-0000000{i}.{end}" for i in (0, 1) for end in ("jpg", "txt", "json")]
    rows = read(reader(tmp_path)).to_pylist()
    assert [(row["jpg"], row["txt"]) for row in rows] == [(b"\xff\xd8", "é"), (b"\xff\xd9", "b"), (None, "c")]
    assert [json.loads(row["json"]) for row in rows] == TABLE.select(["score", "tags"]).to_pylist()
    assert len({row["__key__"] for row in rows}) == 3


def test_other_columns_are_written_as_in_json(tmp_path: Path) -> None:
    table = pa.table(
        {
            "txt": pa.array(["a"], pa.large_string()),
            "at": pa.array([1], pa.timestamp("ns")),
            "day": pa.array([2**31 - 1], pa.date32()),
            "price": pa.array([Decimal("1.10")]),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "call": pa.array(['{"a": 1.0}']).cast(pa.json_()),
            "cls": [7],
        }
    )
    write(WebdatasetWriter(path=str(tmp_path), members={"cls": "cls"}), table)
    (row,) = read(reader(tmp_path)).to_pylist()
    assert (row["txt"], row["cls"]) == ("a", "7")
    assert row["json"] == (
        '{"at":"1970-01-01T00:00:00.000000001","day":"5881580-07-11","price":1.10,"map":{"k":1},"call":{"a": 1.0}}'
    )


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    keys = ["a", "b/c", "é", "a b", "x" * 300, "A"]
    write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": keys, "txt": keys}))
    assert read(reader(tmp_path)).to_pydict() == {"__key__": keys, "txt": keys}


def test_rows_without_a_key_are_numbered(tmp_path: Path) -> None:
    write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": ["a", "", None], "txt": list("xyz")}))
    assert read(reader(tmp_path)).column("__key__").to_pylist() == ["a", "00000-000-00000001", "00000-000-00000002"]


@pytest.mark.parametrize("key", ["a.b", ".hidden", "__x", "/a", "./a", "a/.b", "x\0y"])
def test_a_key_that_readers_would_not_find_is_an_error(tmp_path: Path, key: str) -> None:
    with pytest.raises(SinkError, match="is not allowed"):
        write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": [key], "txt": ["x"]}))


def test_a_repeated_key_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="the key 'a' is not unique in its file"):
        write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": ["a", "b", "a"], "txt": ["x", "y", "z"]}))


def test_a_row_of_nulls_is_still_a_sample(tmp_path: Path) -> None:
    write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": ["a", "b"], "txt": ["x", None], "jpg": [b"1", None]}))
    rows = read(reader(tmp_path)).to_pylist()
    assert [(row["__key__"], row["txt"], row["jpg"]) for row in rows] == [("a", "x", b"1"), ("b", None, None)]


def test_partitions_become_folders(tmp_path: Path) -> None:
    files = write(
        WebdatasetWriter(path=str(tmp_path), partition_by=("txt",)), pa.table({"txt": ["a", "b"], "jpg": [b"1", b"2"]})
    )
    assert [file.path for file in files] == ["txt=a/00000-000.tar", "txt=b/00000-000.tar"]
    assert read(reader(tmp_path)).select(["jpg", "txt"]).to_pydict() == {"jpg": [b"1", b"2"], "txt": ["a", "b"]}


@pytest.mark.parametrize(
    ("members", "columns", "message"),
    [
        ({"jpg": "imag"}, ("image", "caption"), "no column imag; did you mean image"),
        ({"json": "caption"}, ("image", "caption", "score"), "columns score form one member `json`"),
    ],
)
def test_incompatible_columns_are_an_error(
    tmp_path: Path, members: dict[str, str], columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        write(WebdatasetWriter(path=str(tmp_path), members=members), TABLE.select(columns))


def members_of(path: Path) -> dict[str, bytes]:
    """The members of the only tar file in a folder."""
    (file,) = path.glob("*.tar")
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_json_columns_are_written_nested_and_numbers_exactly(tmp_path: Path) -> None:
    table = pa.table(
        {
            "__key__": ["a", "b"],
            "call": pa.array(['{"n":1.10,"x":[0.1234567890123456789]}', None]).cast(pa.json_()),
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(38, 2)),
            "deep": pa.array([[{"d": Decimal("12345678901234567890.5")}], []]),
            "large": pa.array([2**64 - 1, 0], pa.uint64()),
        }
    )
    write(WebdatasetWriter(path=str(tmp_path)), table)
    members = members_of(tmp_path)
    assert members["a.json"].decode() == (
        '{"call":{"n":1.10,"x":[0.1234567890123456789]},"price":1.10,"deep":[{"d":12345678901234567890.5}],'
        '"large":18446744073709551615}'
    )
    assert members["b.json"].decode() == '{"call":null,"price":null,"deep":[],"large":0}'


def test_a_member_of_a_json_column_is_its_text_and_of_a_decimal_a_number(tmp_path: Path) -> None:
    table = pa.table(
        {
            "__key__": ["a", "b"],
            "call": pa.array(['{"n":1.10}', None]).cast(pa.json_()),
            "price": pa.array([Decimal("1.10"), Decimal("2.00")]),
        }
    )
    write(WebdatasetWriter(path=str(tmp_path), members={"json": "call", "cls": "price"}), table)
    assert members_of(tmp_path) == {"a.json": b'{"n":1.10}', "a.cls": b"1.1", "b.cls": b"2.0"}
