"""JSON Lines as other tools read them: values of any type, compression, file sizes."""

import datetime
import decimal
import gzip
import json
import math
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.formats.json import JsonReader, JsonWriter
from tests.support.rows import read, write


def reader(path: Path, **parameters: object) -> JsonReader:
    return JsonReader(paths=(str(path),), **parameters)


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
def test_values_of_unusual_types_are_written(tmp_path: Path, column: pa.Array, expected: object) -> None:
    write(JsonWriter(path=str(tmp_path)), pa.table({"c": column, "t": ["é"]}))
    assert json.loads((tmp_path / "00000-000.jsonl").read_text()) == {"c": expected, "t": "é"}


def test_files_are_split_by_size_and_no_rows_result_in_an_empty_file(tmp_path: Path) -> None:
    table = pa.table({"a": ["x" * 1000] * 500})
    files = write(JsonWriter(path=str(tmp_path), file_bytes=1 << 16), table)
    assert [file.path for file in files] == [f"00000-{i:03}.jsonl" for i in range(len(files))]
    assert len(files) > 3
    assert sum(file.rows for file in files) == 500
    assert read(reader(tmp_path)).equals(table)
    assert [(file.rows, file.size) for file in write(JsonWriter(path=str(tmp_path / "none")), table.slice(0, 0))] == [(0, 0)]


def test_whole_decimals_and_long_durations_keep_their_digits_in_every_chunk(tmp_path: Path) -> None:
    numbers = [decimal.Decimal(7), decimal.Decimal(10**37 + 1), None]
    ticks = [1_500_000, 8_640_000_000_000_001, None]
    chunks = [
        pa.table({"n": pa.array([n], pa.decimal128(38, 0)), "d": pa.array([t], pa.int64()).cast(pa.duration("us"))})
        for n, t in zip(numbers, ticks, strict=True)
    ]
    write(JsonWriter(path=str(tmp_path)), pa.concat_tables(chunks))
    (file,) = tmp_path.glob("*.jsonl")
    assert file.read_text().splitlines() == [
        '{"n":7,"d":1.500000}',
        '{"n":10000000000000000000000000000000000001,"d":8640000000.000001}',
        '{"n":null,"d":null}',
    ]
