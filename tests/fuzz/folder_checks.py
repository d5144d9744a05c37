"""Checks of whole folders: compression, tar files, partitions, and files with different types of one column."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from datajob.errors import DataJobError, InputError, InvalidJob, SinkError
from datajob.formats import _tar_read
from datajob.formats._cast import sound_cast
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.types import arrow_type
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.fuzz.documents import FORMS, damaged, of_form
from tests.fuzz.oracles import compare_with_json, need, texts_of
from tests.fuzz.tables import NAMES, TEXTS, random_table
from tests.support.local_jobs import make_job, run
from tests.support.rows import Bad, read, write


def _zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", data)
    return stream.getvalue()


CHECKSUMMED = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zip": _zipped}
OTHERS = {".zst": "zstd"}


def compressed_damage(rng: random.Random, folder: Path) -> None:
    """Damage of a compressed file with a checksum is found, or changes no row."""
    rows = [{"id": i, "t": "".join(rng.choices(TEXTS, k=3))} for i in range(rng.choice([1, 20, 500]))]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    ending = rng.choice([*CHECKSUMMED, *OTHERS])
    packed = CHECKSUMMED[ending](data) if ending in CHECKSUMMED else pa.compress(data, OTHERS[ending], asbytes=True)
    broken = damaged(packed, rng)
    (folder / f"x.jsonl{ending}").write_bytes(broken)
    bad = Bad()
    try:
        found = read(JsonReader(paths=(str(folder),)), bad).to_pylist()
    except DataJobError as error:
        need(f"x.jsonl{ending}" in str(error), f"a message without the file: {error}")
        return
    if ending in CHECKSUMMED and broken:
        need(not bad.records and found == rows, f"{len(found)} of {len(rows)} rows, {bad.reasons[:1]}")


def tar_round_trip(rng: random.Random, folder: Path) -> None:
    """Samples are read back, with their members in any order, and from files of any compression."""
    keys = rng.sample([f"k{i}" for i in range(50)] + ["a/b", "日本", "x y"], rng.randint(1, 20))
    table = pa.table(
        {
            "__key__": keys,
            "txt": ["".join(rng.choices(TEXTS, k=2)) for _ in keys],
            "jpg": [None if rng.random() < 0.2 else rng.randbytes(rng.choice([0, 5, 2000])) for _ in keys],
            "n": [rng.choice([None, 2**60 + 1, -1]) for _ in keys],
        }
    )
    write(WebdatasetWriter(path=str(folder / "out")), table)
    (file,) = (folder / "out").glob("*.tar")
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers()]
        contents = [(member, stream.read() if stream else b"") for member, stream in members]
    rng.shuffle(contents)
    ending, mode = rng.choice([("", "w"), (".gz", "w:gz"), (".xz", "w:xz")])
    with tarfile.open(folder / f"x.tar{ending}", mode) as tar:
        for member, content in contents:
            tar.addfile(member, io.BytesIO(content))
    with mock.patch.object(_tar_read, "IN_MEMORY", rng.choice([100, 1 << 20])):
        back = read(WebdatasetReader(paths=(str(folder / f"x.tar{ending}"),)), target=rng.choice([1, 1 << 20])).to_pylist()
    found = {row["__key__"]: (row["txt"], row.get("jpg"), json.loads(row["json"])["n"]) for row in back}
    need(len(back) == len(keys), f"{len(back)} of {len(keys)} samples")
    need(found == {row["__key__"]: (row["txt"], row["jpg"], row["n"]) for row in table.to_pylist()}, "samples differ")


def partitions(rng: random.Random, folder: Path) -> None:
    """Partition values come back from the names of folders."""
    rows = rng.choice([1, 10, 60])
    values = [rng.choice([None, 0, 1, -5]) for _ in range(rows)]
    texts = [rng.choice([None, *TEXTS, "a=b", "%2F", "..", ".", "_x", "a/b", HIVE_LIKE, "x" * 60]) for _ in range(rows)]
    names = rng.sample([name for name in NAMES if name and "/" not in name and "\n" not in name and name != "id"], 2)
    table = pa.table({"id": range(rows), names[0]: pa.array(values, pa.int64()), names[1]: pa.array(texts, pa.string())})
    writer, reader = rng.choice([(ParquetWriter, ParquetReader), (JsonWriter, JsonReader), (CsvWriter, CsvReader)])
    write(writer(path=str(folder), partition_by=tuple(names)), table)
    bad = Bad()
    back = read(reader(paths=(str(folder),), partition_types={names[0]: "int64"}), bad)
    need(not bad.records and back.num_rows == rows, f"{rows} rows, {back.num_rows} read, {bad.reasons[:2]}")
    for row in back.to_pylist():
        i = row["id"]
        text = None if texts[i] in ("", HIVE_LIKE) else texts[i]
        need((row[names[0]], row[names[1]]) == (values[i], text), f"{values[i]!r}, {texts[i]!r} became {row}")


HIVE_LIKE = "__HIVE_DEFAULT_PARTITION__"


def json_drift(rng: random.Random, folder: Path) -> None:
    """Files whose columns have different types are read with their values, or the error names two of them."""
    texts: dict[int, str] = {}
    for file in range(rng.randint(2, 4)):
        forms = [(name, rng.choice(FORMS)) for name in rng.sample(("a", "b", "c"), rng.randint(1, 3))]
        for _ in range(rng.choice([1, 5, 30])):
            members = [f'"id": {len(texts)}', *(f'"{name}": {of_form(rng, form, ["p", "q"])}' for name, form in forms)]
            texts[len(texts)] = line = "{" + ", ".join(members) + "}"
            with (folder / f"{file}.jsonl").open("a") as stream:
                stream.write(line + "\n")
    bad = Bad()
    try:
        back = read(JsonReader(paths=(str(folder),)), bad, rng.choice([50, 1 << 20]))
    except InputError as error:
        need(str(error).count(".jsonl") >= 2, str(error))
        return
    need(back.num_rows + len(bad.records) == len(texts), f"{len(texts)} lines, {back.num_rows} rows, {bad.reasons[:3]}")
    for row in back.to_pylist():
        compare_with_json(texts[row["id"]].encode(), row, back.schema)


def csv_drift(rng: random.Random, folder: Path) -> None:
    """Files whose columns have different types are read with the values that their texts have."""
    numbers = ["0", "1", "-7", "1.5", "007", "1e5", "9007199254740993", "0.1", "true", "false", "a", "", "nan", "+1", "1.10"]
    expected: list[str] = []
    for file in range(rng.randint(2, 4)):
        kind = rng.sample(numbers, rng.randint(1, 3))
        values = [rng.choice(kind) for _ in range(rng.choice([1, 5, 30]))]
        with (folder / f"{file}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("id", "x"), *enumerate(values, start=len(expected))])
        expected += values
    bad = Bad()
    back = read(CsvReader(paths=(str(folder),)), bad)
    need(back.num_rows + len(bad.records) == len(expected), f"{len(expected)} rows, {back.num_rows} read, {bad.reasons[:2]}")
    for row in back.to_pylist():
        text, value = expected[row["id"]], row["x"]
        if isinstance(value, bool):
            right = text == str(value).lower()
        elif isinstance(value, int):
            right = text == str(value)
        elif isinstance(value, float):
            right = text.lower() != "nan" and Decimal(text) == Decimal(repr(value))
        else:
            right = text == (value or "")
        need(right, f"{text!r} became {value!r}")


def parquet_drift(rng: random.Random, folder: Path) -> None:
    """Files whose columns have different types are read with their values, or the error names two of them."""
    tables = [random_table(rng, nested=rng.random() < 0.3) for _ in range(2)]
    names = tables[0].column_names
    tables[1] = tables[1].rename_columns([*names, *(f"more {i}" for i in range(9))][: tables[1].num_columns])
    try:
        for number, table in enumerate(tables):
            write(ParquetWriter(path=str(folder)), table, prefix=f"0000{number}")
    except InvalidJob:
        return
    try:
        back = read(ParquetReader(paths=(str(folder),)))
    except InputError as error:
        need(str(error).count(".parquet") >= 1, str(error))
        return
    need(back.num_rows == sum(table.num_rows for table in tables), "rows are missing")
    start = 0
    for number, table in enumerate(tables):
        stored = pq.ParquetFile(folder / f"0000{number}-000.parquet").read()
        rows = back.slice(start, table.num_rows)
        start += table.num_rows
        for name in table.column_names:
            then, now = stored.column(name), rows.column(name)
            try:
                now = sound_cast(now, then.type)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                need(then.null_count == len(then) or "[" in str(then.type), f"{name!r}: {then.type} became {now.type}")
                continue
            need(texts_of(now) == texts_of(then), f"{name!r} ({then.type}) differs")


def appended(rng: random.Random, folder: Path) -> None:
    """Rows that are appended to a result can be read with the earlier ones, or the job is refused."""
    sink, reader = rng.choice([("parquet", ParquetReader), ("json", JsonReader)])
    rows = 0
    for number in range(2):
        table = random_table(rng, nested=rng.random() < 0.3)
        (folder / f"in{number}").mkdir()
        table = table.rename_columns([f"c{i}" for i in range(table.num_columns)])
        try:
            write(ParquetWriter(path=str(folder / f"in{number}")), table)
            paths = [str(folder / f"in{number}")]
            job = make_job(folder, folder / "out", sources=[{"parquet": {"paths": paths}}],
                           sink={sink: {"path": str(folder / "out"), "mode": "append"}})  # fmt: skip
            rows += run(job).progress.rows_out
        except (InvalidJob, SinkError):
            return
    bad = Bad()
    back = read(reader(paths=(str(folder / "out"),)), bad)
    need(back.num_rows == rows and not bad.records, f"{rows} rows, {back.num_rows} read, {bad.reasons[:2]}")


PLAIN_TYPES = ("int8", "int64", "uint64", "double", "bool", "string", "date", "time", "time[ns]", "timestamp[us]", "duration")
DECLARED = (*PLAIN_TYPES, "timestamp[s]", "timestamp[ms, tz=UTC]", "timestamp[ns, tz=Europe/Berlin]", "duration[s]", "binary")


def _declared(rng: random.Random, depth: int = 0) -> str:
    form = rng.random()
    if depth < 3 and form < 0.4:
        inner = _declared(rng, depth + 1)
        return rng.choice([f"list<{inner}>", f"map<string, {inner}>", f"struct<a: {inner}, b: {_declared(rng, depth + 1)}>"])
    return rng.choice([*DECLARED, "decimal(38, 10)", "decimal(5)"])


def _plain_value(rng: random.Random, kind: Any) -> Any:
    t = pa.types
    if rng.random() < 0.15:
        return None
    if t.is_list(kind):
        return [_plain_value(rng, kind.value_type) for _ in range(rng.randint(0, 3))]
    if t.is_map(kind):
        return [(key, _plain_value(rng, kind.item_type)) for key in rng.sample(TEXTS, rng.randint(0, 3))]
    if t.is_struct(kind):
        return {field.name: _plain_value(rng, field.type) for field in kind}
    if t.is_decimal(kind):
        return Decimal(rng.randint(-99999, 99999)).scaleb(-kind.scale)
    if t.is_string(kind):
        return rng.choice(TEXTS)
    if t.is_binary(kind):
        return rng.randbytes(rng.randint(0, 4))
    if t.is_boolean(kind):
        return rng.random() < 0.5
    if t.is_floating(kind):
        return rng.choice([0.0, -0.0, 0.1, 1e300, 5e-324, rng.random()])
    if t.is_integer(kind):
        return rng.choice([0, 1, 2 ** (kind.bit_width - 1) - 1])
    top = {"date32[day]": 20_000, "time64[us]": 86_399_999_999, "time64[ns]": 86_399_999_999_999}.get(str(kind), 10**9)
    ticks = pa.scalar(rng.choice([0, 1, top, rng.randint(0, top)]), pa.int32() if kind.bit_width == 32 else pa.int64())
    return ticks.cast(kind)


def declared_types(rng: random.Random, folder: Path) -> None:
    """Values of a declared type are the same after they are written and read."""
    name = _declared(rng)
    kind = arrow_type(name)
    values = [_plain_value(rng, kind) for _ in range(rng.choice([1, 5, 40]))]
    table = pa.table({"id": range(len(values)), "v": pa.array(values, kind)})
    if rng.random() < 0.3 and not pa.types.is_nested(kind) and not pa.types.is_binary(kind):
        write(CsvWriter(path=str(folder)), table)
        reader: Any = CsvReader(paths=(str(folder),), schema={"v": name})
    else:
        write(JsonWriter(path=str(folder)), table)
        reader = JsonReader(paths=(str(folder),), schema={"v": name})
    bad = Bad()
    back = read(reader, bad)
    need(not bad.records and back.num_rows == len(values), f"{name}: {bad.records[:2]}")
    found, expected = texts_of(back.column("v")), texts_of(table.column("v"))
    if isinstance(reader, CsvReader):
        found, expected = ([text for text in texts if text not in ("", "None")] for texts in (found, expected))
    need(Counter(found) == Counter(expected) and found == expected, f"{name}: {expected[:5]} became {found[:5]}")
