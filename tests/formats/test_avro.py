"""Avro files: types, codecs, shards and damage."""

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats.avro import AvroReader
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.rows import Bad, read

SIMPLE = {"type": "record", "name": "r", "fields": [{"name": "i", "type": "long"}, {"name": "t", "type": ["null", "string"]}]}
ROWS = [{"i": i, "t": None if i % 3 == 0 else f"text {i} 中文 " * 5} for i in range(400)]


def of(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": "c", "type": kind}]}


def written(path: Path, schema: Any, rows: list[Any], **options: Any) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, **options)
    return path


def reader(path: Path, **parameters: Any) -> AvroReader:
    return AvroReader(paths=(str(path),), **parameters)


NOON = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
POINT = {
    "type": "record",
    "name": "point",
    "namespace": "a.b",
    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "float"]}],
}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10}
FIXED = {"type": "fixed", "name": "d", "size": 6, "logicalType": "decimal", "precision": 10, "scale": 2}
IN_UTC = LAST.replace(tzinfo=dt.UTC)
IN_MILLIS = IN_UTC.replace(microsecond=123000)
LISTS = {"type": "map", "values": {"type": "array", "items": "int"}}
LONG = Decimal("-9999999999999999999999999999.9999999999")
TYPES: list[tuple[Any, Any, list[Any]]] = [
    ("null", pa.string(), [None]),
    ("boolean", pa.bool_(), [True, False]),
    ("int", pa.int32(), [-(2**31), 2**31 - 1]),
    ("long", pa.int64(), [-(2**63), 2**63 - 1]),
    ("float", pa.float32(), [1.5]),
    ("double", pa.float64(), [0.1]),
    ("bytes", pa.binary(), [b"", b"\x00\xff"]),
    ({"type": "string", "avro.java.string": "String"}, pa.string(), ["", "中文"]),
    (["null", "string"], pa.string(), ["a", None]),
    (["long", "null"], pa.int64(), [1, None]),
    ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, pa.string(), ["B", "A"]),
    ({"type": "fixed", "name": "f", "size": 3}, pa.binary(3), [b"abc"]),
    ({"type": "int", "logicalType": "date"}, pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    ({"type": "int", "logicalType": "time-millis"}, pa.time32("ms"), [dt.time(23, 59, 59, 999000)]),
    ({"type": "long", "logicalType": "time-micros"}, pa.time64("us"), [dt.time(23, 59, 59, 999999)]),
    (MILLIS, pa.timestamp("ms", "UTC"), [IN_MILLIS]),
    (MICROS, pa.timestamp("us", "UTC"), [IN_UTC]),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, pa.timestamp("us"), [NOON, LAST]),
    (DECIMAL, pa.decimal128(38, 10), [LONG]),
    (FIXED, pa.decimal128(10, 2), [Decimal("-1.50")]),
    ({"type": "string", "logicalType": "uuid"}, pa.string(), ["00000000-0000-0000-0000-000000000005"]),
    ({"type": "array", "items": ["null", MICROS]}, pa.list_(pa.timestamp("us", "UTC")), [[IN_UTC, None], []]),
    (LISTS, pa.map_(pa.string(), pa.list_(pa.int32())), [{"a": [1], "中": []}, {}]),
    (["null", POINT], pa.struct([("x", pa.int32()), ("y", pa.float32())]), [{"x": 1, "y": None}, None]),
    ({"type": "array", "items": POINT}, pa.list_(pa.struct([("x", pa.int32()), ("y", pa.float32())])), [[{"x": 1, "y": 1.5}]]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "expected", "values"), TYPES, ids=lambda value: str(value)[:60])
def test_values_of_every_type(tmp_path: Path, kind: Any, expected: pa.DataType, values: list[Any]) -> None:
    written(tmp_path / "a.avro", of(kind), [{"c": value} for value in values])
    column = read(reader(tmp_path)).column("c")
    assert column.type == expected
    assert column.to_pylist(maps_as_pydicts="strict") == values


def test_named_types_are_used_again(tmp_path: Path) -> None:
    fields = [{"name": "p", "type": POINT}, {"name": "q", "type": ["null", "a.b.point"]}]
    row = {"p": {"x": 1, "y": None}, "q": {"x": 2, "y": 0.5}}
    written(tmp_path / "a.avro", {"type": "record", "name": "r", "fields": fields}, [row])
    assert read(reader(tmp_path)).to_pylist() == [row]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (["int", "string"], "column c contains a union of int, string"),
        (["null", "int", {"type": "array", "items": "int"}], "column c contains a union of int, array"),
        ({"type": "record", "name": "n", "fields": [{"name": "next", "type": ["null", "n"]}]}, "a type that contains itself"),
    ],
)
def test_types_without_an_equivalent_are_refused_unless_they_are_excluded(tmp_path: Path, kind: Any, reason: str) -> None:
    schema = of(kind)
    schema["fields"].append({"name": "i", "type": "int"})
    value = {"next": None} if isinstance(kind, dict) else 1
    written(tmp_path / "a.avro", schema, [{"c": value, "i": 7}])
    with pytest.raises(InputError, match=rf"a\.avro: .*{reason}, which is not supported\. Exclude it with `columns`"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("i",))).to_pylist() == [{"i": 7}]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_shards_have_each_row_once(tmp_path: Path, codec: str) -> None:
    written(tmp_path / "a.avro", SIMPLE, ROWS, codec=codec, sync_interval=500)
    source = reader(tmp_path)
    assert read(source).to_pylist() == ROWS
    (file,) = source.files()
    for target in (1, 300, 3000):
        assert len(source.fragments(file, target)) > 1
        assert read(source, target=target, batch_bytes=100).to_pylist() == ROWS


def _coded(codec: str, block: bytes) -> bytes:
    import zlib

    packed = bytes(pa.compress(block, "snappy" if codec == "snappy" else "zstd"))
    return packed + zlib.crc32(block).to_bytes(4, "big") if codec == "snappy" else packed


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_codecs_of_other_packages(tmp_path: Path, codec: str) -> None:
    plain = io.BytesIO()
    fastavro.writer(plain, fastavro.parse_schema(SIMPLE), ROWS)
    plain.seek(0)
    out = io.BytesIO()
    sync = b"0123456789abcdef"
    meta = {"avro.schema": json.dumps(SIMPLE).encode(), "avro.codec": codec.encode()}
    out.write(b"Obj\x01")
    fastavro.schemaless_writer(out, {"type": "map", "values": "bytes"}, meta)
    out.write(sync)
    for block in fastavro.block_reader(plain):
        data = _coded(codec, block.bytes_.getvalue())
        for number in (block.num_records, len(data)):
            fastavro.schemaless_writer(out, "long", number)
        out.write(data + sync)
    (tmp_path / "a.avro").write_bytes(out.getvalue())
    assert read(reader(tmp_path)).to_pylist() == ROWS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:-16] + b"x" * 16, "its sync marker is missing"),
        (lambda data: data[:2500] + b"\xff" * 40 + data[2540:], "damaged"),
        (lambda data: b"PAR1" + data, "it is not an Avro file"),
        (lambda data: data[:60], "truncated"),
        (lambda data: data.replace(b'"record"', b'"recorb"'), "the Avro schema cannot be read"),
        (lambda data: b"", "it is not an Avro file"),
    ],
)
@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_damaged_files_are_errors(tmp_path: Path, change: Any, reason: str, codec: str) -> None:
    path = written(tmp_path / "a.avro", SIMPLE, ROWS, codec=codec, sync_interval=3000)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=rf"a\.avro: .*{reason}"):
        read(reader(tmp_path))


def test_files_with_other_columns_are_one_table(tmp_path: Path) -> None:
    written(tmp_path / "a.avro", of("int"), [{"c": 1}])
    written(tmp_path / "b.avro", SIMPLE, ROWS[:1])
    assert read(reader(tmp_path)).to_pylist() == [{"c": 1, "i": None, "t": None}, {"c": None, "i": 0, "t": None}]
    written(tmp_path / "c.avro", of("string"), [{"c": "x"}])
    with pytest.raises(InputError, match=r"Column c is int32 in .*a\.avro but string in .*c\.avro"):
        read(reader(tmp_path))


def test_a_job_reads_avro(tmp_path: Path) -> None:
    written(tmp_path / "a.avro", SIMPLE, ROWS, sync_interval=500)
    source = {"avro": {"paths": [str(tmp_path / "a.avro")], "includePath": "file"}}
    run(make_job(tmp_path, tmp_path / "out", [{"filter": {"where": "i >= 200"}}], sources=[source]))
    assert read_manifest(tmp_path / "out") == [{**row, "file": str(tmp_path / "a.avro")} for row in ROWS[200:]]


def test_bad_rows_are_never_reported_in_silence(tmp_path: Path) -> None:
    bad = Bad()
    written(tmp_path / "a.avro", SIMPLE, ROWS)
    assert len(read(reader(tmp_path), bad)) == len(ROWS)
    assert not bad.records
