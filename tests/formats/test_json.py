"""JSON: lines and arrays, columns learnt from samples, bad lines put aside, and what is written can be read."""

import datetime
import decimal
import gzip
import json
import math
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
def test_files_are_known_by_their_ending(tmp_path: Path, name: str) -> None:
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
def test_a_bad_line_goes_aside_with_its_place_and_reason(tmp_path: Path, line: bytes, reason: str) -> None:
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
    assert table.schema.types == [pa.float64(), pa.timestamp("us", "UTC"), pa.json_(pa.string())]
    assert table.column("m").to_pylist() == ['{"x":[1]}', '"s"', None]


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


EXACT = (
    '{"x": 1.10, "x": [0.1234567890123456789, 1e400], "": {}}',
    "{}",
    '[1, "\\u00e9", null]',
    '"é"',
    "-0",
    "123456789012345678901234567890",
    "true",
)


def test_json_values_come_out_as_they_went_in_to_the_byte(tmp_path: Path) -> None:
    lines = "".join(f'{{"id":{i},"v":{value},"t":"x"}}\n' for i, value in enumerate(EXACT))
    table = read(reader(put(tmp_path / "x.jsonl", lines), schema={"v": "json"}))
    assert table.column("v").to_pylist() == list(EXACT)
    write(JsonWriter(path=str(tmp_path / "out")), table.select(["id", "v", "t"]))
    assert (tmp_path / "out" / "00000-000.jsonl").read_text() == lines


def test_the_type_text_takes_any_value_without_quotes_or_other_numbers(tmp_path: Path) -> None:
    lines = "".join(f'{{"v":{value}}}\n' for value in (*EXACT, "null", '"1.10"', "1.10"))
    table = read(reader(put(tmp_path / "x.jsonl", lines), schema={"v": "text"}))
    assert table.schema.types == [pa.string()]
    assert table.column("v").to_pylist() == [*EXACT[:3], "é", *EXACT[4:], None, "1.10", "1.10"]


def test_a_column_whose_type_differs_between_files_is_read_by_declaring_it(tmp_path: Path) -> None:
    put(tmp_path / "1.jsonl", '{"a":1}\n{"a":18446744073709551616}\n')
    put(tmp_path / "2.jsonl", '{"a":"x"}\n{"a":{"b":1.0}}\n')
    assert read(reader(tmp_path, schema={"a": "text"})).to_pydict() == {"a": ["1", "18446744073709551616", "x", '{"b":1.0}']}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-9223372036854775808"], pa.int64()),
        (["18446744073709551615", "1"], pa.uint64()),
        (["18446744073709551615", "-1"], "json"),
        (["18446744073709551616"], "json"),
        (["9007199254740992", "1.5"], pa.float64()),
        (["9007199254740993", "1.5"], "json"),
        (["1.5", "1e400"], "json"),
        (["1e-400"], "json"),
        (["0.1234567890123456789"], "json"),
        (["0.12345678901234568", "1e300"], pa.float64()),
        (["{}", "{}"], "json"),
        (['{"a":1}', '{"a":null}'], pa.struct([("a", pa.int64())])),
        (['{"a":1}', "{}"], "json"),
        (['{"a":1}', '{"b":1}'], "json"),
        (['[{"a":1}]', '[{"a":1},{"a":2,"b":3}]'], "json"),
        (['{"":1}'], "json"),
        (['{"a":9007199254740993}', '{"a":1.5}'], "json"),
        (['{"a":1}', '{"a":"x"}'], "json"),
        (['{"a":1}', "[1]"], "json"),
        (["[1]", '["x"]'], "json"),
        (["[" * 17 + "]" * 17], "json"),
        (["[" * 16 + "]" * 16, "[]"], "deep"),
        (["[]", "[null]", "null"], pa.list_(pa.string())),
        (['"2024-01-01"'], pa.string()),
        (["null"], pa.string()),
    ],
)
@pytest.mark.parametrize("files", [1, 2])
def test_a_type_is_learned_only_if_every_value_survives_it(
    tmp_path: Path, values: list[str], kind: pa.DataType | str, files: int
) -> None:
    for number in range(files):
        mine = values[number::files]
        put(tmp_path / f"{number}.jsonl", "".join(f'{{"v":{value}}}\n' for value in mine) or '{"v":null}\n')
    source = reader(tmp_path)
    learned = source.schema(source.files()).field("v").type
    if kind == "json":
        assert learned == pa.json_(pa.string())
        assert sorted(filter(None, read(source).column("v").to_pylist())) == sorted(values)
    elif kind != "deep":
        assert learned == kind
    bad = Bad()
    assert read(source, bad).num_rows == max(len(values), files)
    assert bad.records == []


def test_keys_of_their_own_cost_no_memory(tmp_path: Path) -> None:
    text = "".join(f'{{"id":{i},"scores":{{"user{i}":{i}}}}}\n' for i in range(100_000))
    table = read(reader(put(tmp_path / "x.jsonl", text)))
    assert table.nbytes < 3 * len(text)
    write(JsonWriter(path=str(tmp_path / "out")), table)
    assert (tmp_path / "out" / "00000-000.jsonl").read_text() == text


def test_a_row_that_is_nested_too_deeply_fails_alone(tmp_path: Path) -> None:
    lines = [f'{{"id":{i},"thread":{{"text":"t","replies":[]}}}}' for i in range(1000)]
    lines.insert(500, '{"id":-1,"thread":' + '{"text":"t","replies":[' * 500 + "]}" * 500 + "}")
    bad = Bad()
    table = read(reader(put(tmp_path / "x.jsonl", "\n".join(lines))), bad)
    assert table.column("id").to_pylist() == list(range(1000))
    assert table.column("thread").to_pylist()[0] == {"text": "t", "replies": []}
    assert len(bad.records) == 1


@pytest.mark.parametrize("depth", [200, 300, 100_000])
def test_json_text_is_limited_in_depth(tmp_path: Path, depth: int) -> None:
    bad = Bad()
    text = '{"a":1,"v":' + "[" * depth + "]" * depth + '}\n{"a":2,"v":0}\n'
    table = read(reader(put(tmp_path / "x.jsonl", text), schema={"v": "json"}), bad)
    assert table.column("a").to_pylist() == ([1, 2] if depth == 200 else [2])
    assert all("nested too deeply" in reason for reason in bad.reasons)


@pytest.mark.parametrize("kind", ["json", "text", None])
@pytest.mark.parametrize("line", ['{"v":"a\\ud83d","t":"b"}', '{"v":{"k":"\\uDE00"},"t":"b"}', '{"v":1,"t":"\\ud83d\\ud83d"}'])
def test_a_lone_surrogate_fails_its_row_or_is_replaced_on_request(tmp_path: Path, line: str, kind: str | None) -> None:
    schema = {"v": kind or "json"} if kind else {}
    good = '{"v":"\\ud83d\\ude00","t":"\\\\ud83d"}' if "{" not in line[1:] else '{"v":{"k":"x"},"t":"b"}'
    path = put(tmp_path / "x.jsonl", f"{good}\n{line}\n{good}\n")
    bad = Bad()
    assert read(reader(path, schema=schema or {"v": "json"}), bad).num_rows == 2
    assert len(bad.records) == 1
    assert "half of a surrogate pair" in bad.reasons[0] or "surrogate" in bad.reasons[0]
    bad = Bad()
    table = read(reader(path, schema=schema or {"v": "json"}, surrogates="replace"), bad)
    assert (table.num_rows, bad.records) == (3, [])
    write(JsonWriter(path=str(tmp_path / "out")), table)
    rows = [json.loads(row) for row in (tmp_path / "out" / "00000-000.jsonl").read_text().splitlines()]
    assert "\ufffd" in json.dumps(rows[1], ensure_ascii=False).replace("\\\\ufffd", "\ufffd")


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
    began = time.perf_counter()
    assert read(reader(path), bad).num_rows == 15_000
    assert time.perf_counter() - began < 10
    assert len(bad.records) == 15_000


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


def test_files_are_split_by_size_and_no_rows_make_an_empty_file(tmp_path: Path) -> None:
    table = pa.table({"a": ["x" * 1000] * 500})
    files = write(JsonWriter(path=str(tmp_path), file_bytes=1 << 16), table)
    assert [file.path for file in files] == [f"00000-{i:03}.jsonl" for i in range(len(files))]
    assert len(files) > 3
    assert sum(file.rows for file in files) == 500
    assert read(reader(tmp_path)).equals(table)
    assert [(file.rows, file.size) for file in write(JsonWriter(path=str(tmp_path / "none")), table.slice(0, 0))] == [(0, 0)]


def test_records_without_any_field_are_refused_unless_a_column_is_known(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n{}\n")
    with pytest.raises(InputError, match="no record has a field"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, schema={"a": "int64"})).to_pylist() == [{"a": None}] * 2
    assert read(reader(tmp_path, include_path="file")).num_rows == 2
