"""JSON files: lines and arrays, bad lines, and files of any size."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.formats import _json_schema
from datajob.formats.json import JsonReader
from tests.support.input_files import put
from tests.support.rows import Bad, read


def reader(path: Path, **parameters: object) -> JsonReader:
    return JsonReader(paths=(str(path),), **parameters)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        ('{"a":1}\r\n\r\n  \n{"a":2}', [{"a": 1}, {"a": 2}]),
        ('\ufeff{"a":1}\n', [{"a": 1}]),
        ('{"a":1}\n{"a":2.5}\n', [{"a": 1.0}, {"a": 2.5}]),
        ('{"a":"2024-01-01"}\n{"a":"10:00"}\n', [{"a": "2024-01-01"}, {"a": "10:00"}]),
        ('{"a":"\\u65e5\\ud83d\\ude00\\u0000"}\n', [{"a": "日😀\0"}]),
        ('{"a":null,"b":1}\n', [{"a": None, "b": 1}]),
        ('{"b":[]}\n{"b":[1,null]}\n{}\n', [{"b": []}, {"b": [1, None]}, {"b": None}]),
        ('{"o":{"x":1}}\n{"o":{"y":"s"}}\n', [{"o": '{"x":1}'}, {"o": '{"y":"s"}'}]),
        ('{"o":{"x":1,"y":null}}\n{"o":{"x":null,"y":"s"}}\n', [{"o": {"x": 1, "y": None}}, {"o": {"x": None, "y": "s"}}]),
        ('{"a":true}', [{"a": True}]),
        ("", []),
        ("\n\n", []),
        ('[{"a":1},\n {"a":\n2}]\n', [{"a": 1}, {"a": 2}]),
        ("[]", []),
        ('\ufeff [ {"a": "]"} ] ', [{"a": "]"}]),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_json_is_read(tmp_path: Path, text: str, rows: list[object], block: int) -> None:
    bad = Bad()
    assert read(reader(put(tmp_path / "x.json", text)), bad, batch_bytes=block).to_pylist() == rows
    assert bad.records == []


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.json", "x.jsonl.gz", "x.json.gz", "x.jsonl.zst"])
def test_files_are_recognized_by_their_extension(tmp_path: Path, name: str) -> None:
    plain = b'{"a":1}\n{"a":2}\n'
    packed = {"gz": gzip.compress(plain), "zst": pa.compress(plain, "zstd", True)}
    put(tmp_path / "in" / name, packed.get(name.rsplit(".", 1)[1], plain))
    put(tmp_path / "in" / "README.md", "x")
    assert read(reader(tmp_path / "in")).to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "not JSON: Expecting value at character 1"),
        (b'{"a":1', "not JSON: Expecting ',' delimiter at character 7"),
        (b"[1]", "not a JSON object"),
        (b"17", "not a JSON object"),
        (b'{"a":1}{"a":2}', "not exactly one JSON object on the line"),
        (b'{"a":1} x', "not exactly one JSON object on the line"),
        (b'{"a":1},', "a comma follows the object"),
        (b"null", "not a JSON object"),
        (b'{"a":1} null', "not exactly one JSON object on the line"),
        (b'{"a":9223372036854775808}', "9223372036854775808 is not int64"),
        (b'{"f":9007199254740993}', "column f: 9007199254740993 cannot be represented exactly as double"),
        (b'{"f":0.12345678901234567891}', "column f: 0.12345678901234567891 cannot be represented exactly as double"),
        (b'{"f":1e400}', "column f: 1e400 cannot be represented exactly as double"),
        (b'{"f":1e-400}', "column f: 1e-400 cannot be represented exactly as double"),
        (b'{"fs":[1.5,9007199254740993]}', "column fs[]: 9007199254740993 cannot be represented exactly as double"),
        (b'{"a":NaN}', "nan is not int64"),
        (b'{"a":"x"}', "column a should be number but is string; declare"),
        (b'{"a":1.5}', "1.5 is not int64; declare"),
        (b'{"a":99999999999999999999}', "99999999999999999999 is not int64"),
        (b'{"o":{"x":"s"}}', "column o.x should be number but is string"),
        (b'{"l":[1]}', "column l[] should be string but is number"),
        (b'{"new":1}', "field new is not among the columns, which were inferred from a sample"),
        (b'{"o":{"new":1}}', "field o.new is not among the columns"),
        (b'{"s":"\xff"}', "not valid UTF-8"),
        (b'{"s":"\\ud800"}', "surrogate pair"),
        (b'{"a":1,"a":2}', "two members of the same name"),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "column a should be number but is array"),
        (b'{"a":' + b"[" * 10000 + b"]" * 10000 + b"}", "nested too deeply"),
    ],
)
def test_a_bad_line_is_reported_with_its_position_and_reason(tmp_path: Path, line: bytes, reason: str) -> None:
    good = [b'{"a":%d,"s":"x","o":{"x":1},"l":["y"],"f":1.5,"fs":[0.1]}' % i for i in range(100)]
    path = put(tmp_path / "x.jsonl", b"\n".join([*good[:50], line, *good[50:]]))
    files = reader(path).files()
    schema = pa.schema(
        [
            ("a", pa.int64()),
            ("s", pa.string()),
            ("o", pa.struct([("x", pa.int64())])),
            ("l", pa.list_(pa.string())),
            ("f", pa.float64()),
            ("fs", pa.list_(pa.float64())),
        ]
    )
    bad = Bad()
    fragment = reader(path).fragments(files[0], 1 << 20)[0]
    tables = list(reader(path).read(fragment, schema, 1 << 20, bad))
    assert pa.concat_tables(tables).column("a").to_pylist() == list(range(100))
    ((text, why),) = bad.records
    assert why.startswith(f"{path}:byte {len(b'_'.join(good[:50])) + 1}: ")
    assert reason in why
    assert text == line.decode("utf-8", "backslashreplace")


@settings(deadline=None, max_examples=60)
@given(
    good=st.lists(st.booleans(), max_size=40),
    target=st.integers(1, 300),
    block=st.integers(1, 300),
)
def test_every_line_is_read_once_regardless_of_the_split(
    tmp_path_factory: pytest.TempPathFactory, good: list[bool], target: int, block: int
) -> None:
    lines = [f'{{"a":{i}}}' if ok else f"bad {i}" for i, ok in enumerate(good)]
    path = put(tmp_path_factory.getbasetemp() / "cut.jsonl", "\n".join(lines))
    bad = Bad()
    table = read(JsonReader(paths=(str(path),), schema={"a": "int64"}, columns=("a",)), bad, target, block)
    assert table.column("a").to_pylist() == [i for i, ok in enumerate(good) if ok]
    assert [text for text, _ in bad.records] == [f"bad {i}" for i, ok in enumerate(good) if not ok]


def test_elements_of_an_array_are_counted(tmp_path: Path) -> None:
    bad = Bad()
    path = put(tmp_path / "x.json", '[{"a":1}, 7, {"a":2}, {"a":"x"}, {"a":3}]')
    assert read(reader(path), bad, batch_bytes=20).to_pydict() == {"a": [1, 2, 3]}
    assert [why.split(": ")[0] for why in bad.reasons] == [f"{path}:element 1", f"{path}:element 3"]


@pytest.mark.parametrize("text", ['[{"a":1}', '[{"a":1},', '[{"a":1} {"a":2}]', '[{"a":1}] x', '[{"a":', "[{"])
def test_the_error_about_a_truncated_array_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"x\.json: not a JSON array"):
        read(reader(put(tmp_path / "x.json", text), schema={"a": "int64"}))


def test_an_array_longer_than_a_block_is_streamed(tmp_path: Path) -> None:
    rows = [{"a": i, "s": "é\n" * (i % 7)} for i in range(2000)]
    path = put(tmp_path / "x.json", json.dumps(rows, indent=1))
    assert read(reader(path), target=1000, batch_bytes=777).to_pylist() == rows


def test_columns_are_projected_and_other_fields_can_have_any_value(tmp_path: Path) -> None:
    text = '{"id":"1","meta":{"a":1},"n":1}\n{"id":"2","meta":[],"n":2}\n{"id":"3","meta":"x","n":3}\n'
    bad = Bad()
    table = read(reader(put(tmp_path / "x.jsonl", text), columns=("n", "id"), include_path="p"), bad)
    assert table.select(["n", "id"]).to_pydict() == {"n": [1, 2, 3], "id": ["1", "2", "3"]}
    assert table.column_names == ["n", "id", "p"]
    assert bad.records == []


@pytest.mark.parametrize(
    "text", ['null\n{"a":1}\n', '{"a":1}\nnull', '{"a":1}\nnull\n{"a":1}', '{"a":1}\n \tnull \n', "null\n"]
)
def test_a_line_that_is_null_is_a_bad_record(tmp_path: Path, text: str) -> None:
    bad = Bad()
    table = read(reader(put(tmp_path / "x.jsonl", text), schema={"a": "int64"}), bad)
    assert table.column("a").to_pylist() == [1] * text.count("{")
    assert [reason.rsplit(": ", 1)[1] for reason in bad.reasons] == ["not a JSON object"]


def test_null_in_arrays_is_a_value_or_a_bad_record(tmp_path: Path) -> None:
    bad = Bad()
    path = put(tmp_path / "x.json", '[null,{"a":[null,1]},{"a":[null]},{"a":null},null]')
    assert read(reader(path), bad).to_pydict() == {"a": [[None, 1], [None], None]}
    assert len(bad.records) == 2


def test_many_bad_lines_are_read_line_by_line_but_quickly(tmp_path: Path) -> None:
    lines = "".join(f'{{"id":{i},"v":{chr(34) + "x" + chr(34) if i % 2 else i}}}\n' for i in range(30_000))
    path = put(tmp_path / "x.jsonl", lines)
    bad = Bad()
    began = time.process_time()
    assert read(reader(path), bad).num_rows == 15_000
    assert time.process_time() - began < 10
    assert len(bad.records) == 15_000


def test_a_field_outside_the_sample_is_never_lost_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_schema, "SAMPLE_BYTES", 1000)
    monkeypatch.setattr(_json_schema, "PIECE_BYTES", 100)
    lines = [f'{{"a":{i}}}' for i in range(10_000)]
    lines[3000] = '{"a":3000,"rare":1}'
    path = put(tmp_path / "x.jsonl", "\n".join(lines))
    bad = Bad()
    assert read(reader(path), bad).num_rows == 9999
    assert bad.records[0][0] == lines[3000]
    assert "field rare is not among the columns" in bad.reasons[0]
    assert read(reader(path, schema={"rare": "int64"})).num_rows == 10_000


def test_hive_partitions_come_from_folders_unless_the_file_has_them(tmp_path: Path) -> None:
    put(tmp_path / "lang=de" / "x.jsonl", '{"a":1}\n')
    put(tmp_path / "lang=__HIVE_DEFAULT_PARTITION__" / "x.jsonl", '{"a":2}\n')
    put(tmp_path / "lang=fr" / "x.jsonl", '{"a":3,"lang":"FR"}\n')
    rows = {row["a"]: row["lang"] for row in read(reader(tmp_path)).to_pylist()}
    assert rows == {1: "de", 2: None, 3: "FR"}


@pytest.mark.slow
def test_a_line_of_200_mb_is_a_row(tmp_path: Path) -> None:
    size = 200 << 20
    with (tmp_path / "x.jsonl").open("wb") as file:
        file.write(b'{"a":"1"}\n{"a":"')
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"a":"3"}\n')
    wide = JsonReader(paths=(str(tmp_path / "x.jsonl"),), schema={"a": "string"}, columns=("a",))
    (file,) = wide.files()
    lengths = [
        len(value)
        for fragment in wide.fragments(file, 32 << 20)
        for table in wide.read(fragment, wide.schema([file]), 8 << 20, Bad())
        for value in table.column("a").to_pylist()
    ]
    assert lengths == [1, size, 1]


_STREAM = """
import resource, sys
from datajob.formats.json import JsonReader
reader = JsonReader(paths=(sys.argv[1],))
(file,) = reader.files()
schema = reader.schema([file])
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(t.num_rows for f in reader.fragments(file, 1 << 30) for t in reader.read(f, schema, 4 << 20, print))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    block = b"".join(b'{"a":%d,"text":"%s"}\n' % (i, b"x" * 500) for i in range(2000))
    with gzip.open(tmp_path / "x.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(150):
            file.write(block)
    done = subprocess.run([sys.executable, "-c", _STREAM, tmp_path / "x.jsonl.gz"], capture_output=True, text=True, check=True)
    rows, kib = map(int, done.stdout.split())
    assert rows == 300_000
    assert kib < 100 << 10


def test_records_without_any_field_are_an_error_unless_a_column_is_known(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n{}\n")
    with pytest.raises(InputError, match="no record has a field"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, schema={"a": "int64"})).to_pylist() == [{"a": None}] * 2
    assert read(reader(tmp_path, include_path="file")).num_rows == 2
