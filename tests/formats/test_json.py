"""JSON: lines and arrays, columns learnt from samples, bad lines put aside, and what is written can be read."""

import datetime
import decimal
import gzip
import json
import math
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.formats import _json_schema
from datajob.formats.json import JsonReader, JsonWriter
from tests.support.rows import Bad, read, write


def reader(path: Path, **parameters: object) -> JsonReader:
    return JsonReader(paths=(str(path),), **parameters)


def put(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
        ('{"o":{"x":1}}\n{"o":{"y":"s"}}\n', [{"o": {"x": 1, "y": None}}, {"o": {"x": None, "y": "s"}}]),
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
def test_files_are_known_by_their_ending(tmp_path: Path, name: str) -> None:
    plain = b'{"a":1}\n{"a":2}\n'
    packed = {"gz": gzip.compress(plain), "zst": pa.compress(plain, "zstd", True)}
    put(tmp_path / "in" / name, packed.get(name.rsplit(".", 1)[1], plain))
    put(tmp_path / "in" / "README.md", "x")
    assert read(reader(tmp_path / "in")).to_pydict() == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "not JSON: Invalid value."),
        (b'{"a":1', "not JSON: Missing a comma"),
        (b"[1]", "not a JSON object"),
        (b"17", "not a JSON object"),
        (b'{"a":1}{"a":2}', "not exactly one JSON object on the line"),
        (b'{"a":1} x', "not JSON: Invalid value."),
        (b'{"a":"x"}', "column a should be number but is string; name it"),
        (b'{"a":1.5}', "1.5 is not int64; name it"),
        (b'{"a":99999999999999999999}', "99999999999999999999 is not int64"),
        (b'{"o":{"x":"s"}}', "column o.x should be number but is string"),
        (b'{"l":[1]}', "column l[] should be string but is number"),
        (b'{"new":1}', "field new is not among the columns, which were learnt from a sample"),
        (b'{"o":{"new":1}}', "field o.new is not among the columns"),
        (b'{"s":"\xff"}', "not valid UTF-8"),
        (b'{"s":"\\ud800"}', "surrogate pair"),
        (b'{"a":1,"a":2}', "specified twice"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "column a should be number but is array"),
    ],
)
def test_a_bad_line_goes_aside_with_its_place_and_reason(tmp_path: Path, line: bytes, reason: str) -> None:
    good = [b'{"a":%d,"s":"x","o":{"x":1},"l":["y"]}' % i for i in range(100)]
    path = put(tmp_path / "x.jsonl", b"\n".join([*good[:50], line, *good[50:]]))
    files = reader(path).files()
    schema = pa.schema(
        [("a", pa.int64()), ("s", pa.string()), ("o", pa.struct([("x", pa.int64())])), ("l", pa.list_(pa.string()))]
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
def test_whatever_the_cut_good_and_bad_lines_are_each_read_once(
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
def test_an_array_that_is_cut_short_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"x\.json: not a JSON array"):
        read(reader(put(tmp_path / "x.json", text), schema={"a": "int64"}))


def test_an_array_longer_than_a_block_is_streamed(tmp_path: Path) -> None:
    rows = [{"a": i, "s": "é\n" * (i % 7)} for i in range(2000)]
    path = put(tmp_path / "x.json", json.dumps(rows, indent=1))
    assert read(reader(path), target=1000, batch_bytes=777).to_pylist() == rows


def test_types_may_be_given_and_values_kept_as_json(tmp_path: Path) -> None:
    text = '{"n":1,"t":"2024-01-01T00:00:00Z","m":{"x":[1]}}\n{"m":"s"}\n{"m":null}\n'
    table = read(reader(put(tmp_path / "x.jsonl", text), schema={"n": "double", "t": "timestamp[us, tz=UTC]", "m": "json"}))
    assert table.schema.types == [pa.float64(), pa.timestamp("us", "UTC"), pa.string()]
    assert table.column("m").to_pylist() == ['{"x": [1]}', '"s"', None]


def test_columns_are_projected_and_other_fields_may_be_anything(tmp_path: Path) -> None:
    text = '{"id":"1","meta":{"a":1},"n":1}\n{"id":"2","meta":[],"n":2}\n{"id":"3","meta":"x","n":3}\n'
    bad = Bad()
    table = read(reader(put(tmp_path / "x.jsonl", text), columns=("n", "id"), include_path="p"), bad)
    assert table.select(["n", "id"]).to_pydict() == {"n": [1, 2, 3], "id": ["1", "2", "3"]}
    assert table.column_names == ["n", "id", "p"]
    assert bad.records == []


def test_most_values_of_a_file_tell_the_type(tmp_path: Path) -> None:
    bad = Bad()
    path = put(tmp_path / "x.jsonl", '{"a":"x"}\n' + '{"a":1}\n' * 10 + '{"a":null}\n')
    assert read(reader(path), bad).column("a").to_pylist() == [1] * 10 + [None]
    assert len(bad.records) == 1


def test_files_that_disagree_name_each_other(tmp_path: Path) -> None:
    put(tmp_path / "1.jsonl", '{"a":"x"}\n')
    put(tmp_path / "2.jsonl", '{"a":1}\n')
    with pytest.raises(InputError, match=r"Column a is string in .*/1\.jsonl but int64 in .*/2\.jsonl"):
        read(reader(tmp_path))
    bad = Bad()
    assert read(reader(tmp_path, schema={"a": "string"}), bad).to_pydict() == {"a": ["x"]}
    assert len(bad.records) == 1


def test_objects_that_are_always_empty_ask_for_a_type(tmp_path: Path) -> None:
    path = put(tmp_path / "x.jsonl", '{"a":1,"m":{}}\n')
    with pytest.raises(InputError, match="Column m holds objects without any field"):
        read(reader(path))
    assert read(reader(path, schema={"m": "json"})).to_pydict() == {"m": ["{}"], "a": [1]}


def test_a_field_outside_of_the_sample_is_never_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    block = b"".join(b'{"a":%d,"text":"%s"}\n' % (i, b"x" * 500) for i in range(2000))
    with gzip.open(tmp_path / "x.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(150):
            file.write(block)
    done = subprocess.run([sys.executable, "-c", _STREAM, tmp_path / "x.jsonl.gz"], capture_output=True, text=True, check=True)
    rows, kib = map(int, done.stdout.split())
    assert rows == 300_000
    assert kib < 100 << 10


TABLE = pa.table(
    {
        "i": [1, None, -(2**63)],
        "s": ['é"\\\n\u2028\0', "日本", ""],
        "f": [1.5, math.nan, -math.inf],
        "b": [b"\x00\xff", None, b""],
        "ts": [datetime.datetime(2024, 1, 1, 1, 2, 3, 4), None, datetime.datetime(1970, 1, 1)],
        "tz": pa.array([datetime.datetime(2024, 1, 1, 12), None, None], pa.timestamp("ms", "Europe/Berlin")),
        "d": [datetime.date(2024, 1, 31), None, None],
        "dec": [decimal.Decimal("1.10"), None, None],
        "l": [[1, 2], None, []],
        "o": [{"x": 1, "y": ["a"]}, None, {"x": None, "y": None}],
        "m": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        'it\'s "quoted"': [True, False, None],
        "I": [1, 2, 3],
    }
)
WRITTEN = {
    "i": 1,
    "s": 'é"\\\n\u2028\0',
    "f": 1.5,
    "b": "AP8=",
    "ts": "2024-01-01T01:02:03.000004",
    "tz": "2024-01-01T12:00:00.000Z",
    "d": "2024-01-31",
    "dec": 1.1,
    "l": [1, 2],
    "o": {"x": 1, "y": ["a"]},
    "m": {"k": 1},
    'it\'s "quoted"': True,
    "I": 1,
}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_written_lines_are_json_that_every_tool_reads(tmp_path: Path, compression: str) -> None:
    (file,) = write(JsonWriter(path=str(tmp_path), compression=compression), TABLE, TABLE.slice(1))
    assert file.rows == 5
    data = (tmp_path / file.path).read_bytes()
    assert len(data) == file.size
    text = gzip.decompress(data) if compression == "gzip" else data
    if compression == "zstd":
        text = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text.decode().removesuffix("\n").split("\n")]
    assert rows[0] == WRITTEN
    assert (rows[1]["f"], rows[2]["f"]) == (None, None)
    assert rows[3:] == rows[1:3]
    assert "日本".encode() in text
    assert read(reader(tmp_path)).num_rows == 5


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([[math.nan, 1.0]]), [None, 1.0]),
        (pa.array([{"b": b"hi"}]), {"b": "aGk="}),
        (pa.array([[datetime.datetime(2024, 1, 1)]]), ["2024-01-01T00:00:00.000000"]),
        (pa.array([{"x": 1, "X": 2}]), {"x": 1, "X": 2}),
        (pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())), {"k": 2}),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), ["a", "b"]),
        (pa.array([[0.5, 2.0]], pa.list_(pa.float32())), [0.5, 2.0]),
        (pa.array([1.5], pa.float16()), 1.5),
        (pa.array([7500], pa.duration("ms")), 7.5),
        (pa.array([[datetime.timedelta(seconds=7)]]), [7.0]),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.nulls(1), None),
    ],
)
def test_odd_values_are_written_too(tmp_path: Path, column: pa.Array, expected: object) -> None:
    write(JsonWriter(path=str(tmp_path)), pa.table({"c": column, "t": ["é"]}))
    assert json.loads((tmp_path / "00000-000.jsonl").read_text()) == {"c": expected, "t": "é"}


def test_files_are_split_by_size_and_nothing_is_written_for_no_rows(tmp_path: Path) -> None:
    table = pa.table({"a": ["x" * 1000] * 500})
    files = write(JsonWriter(path=str(tmp_path), file_bytes=1 << 16), table)
    assert [file.path for file in files] == [f"00000-{i:03}.jsonl" for i in range(len(files))]
    assert len(files) > 3
    assert sum(file.rows for file in files) == 500
    assert read(reader(tmp_path)).equals(table)
    assert write(JsonWriter(path=str(tmp_path / "none")), table.slice(0, 0)) == []
