"""What is checked of a case. The oracles are Python's json and csv, pyarrow and DuckDB. A check raises what is wrong."""

import csv
import io
import json
import math
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from datajob.errors import DataJobError, InputError, InvalidJob
from datajob.formats import _json_schema
from datajob.formats._cast import sound_cast
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.fuzz import folder_checks
from tests.fuzz.documents import damaged, lines, trees
from tests.fuzz.oracles import compare_with_json, need, strict, texts_of
from tests.fuzz.tables import random_table
from tests.support.local_jobs import make_job, run
from tests.support.rows import Bad, read, write


def run_case(case: str) -> None:
    """Run a case such as `json_lines:4711`."""
    name, _, seed = case.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        CHECKS[name](random.Random(int(seed)), Path(folder))


def json_lines(rng: random.Random, folder: Path) -> None:
    """Every line is a row with exactly its values, or a bad record."""
    text = lines(rng)
    ending = rng.choice(["\n", "\r\n"])
    (folder / "x.jsonl").write_text(ending.join(text) + rng.choice(["", ending]), newline="")
    data = (folder / "x.jsonl").read_bytes()
    _check_json(data, folder, rng)


def json_damage(rng: random.Random, folder: Path) -> None:
    """As `json_lines`, of damaged bytes."""
    data = damaged("\n".join(lines(rng)).encode(), rng)
    (folder / "x.jsonl").write_bytes(data)
    _check_json(data, folder, rng)


def _check_json(data: bytes, folder: Path, rng: random.Random) -> None:
    reader = JsonReader(paths=(str(folder / "x.jsonl"),))
    bad = Bad()
    table = read(reader, bad, rng.choice([50, 1 << 20]), rng.choice([100, 1 << 20]))
    found = [line for line in data.split(b"\n") if line.strip(b" \t\r\n")]
    need(table.num_rows + len(bad.records) == len(found), f"{len(found)} lines, {table.num_rows} rows, {bad.reasons[:3]}")
    rows, columns = iter(table.to_pylist()), table.schema
    texts = Counter(record for record, _ in bad.records)
    for line in found:
        shown = line.decode("utf-8", "backslashreplace").strip()
        if texts[shown]:
            texts[shown] -= 1
            continue
        expected, row = strict(line), next(rows)
        if expected is None and b"N" in line + b"I":
            continue  # NaN and Infinity, which Python's json calls no JSON, are doubles
        need(expected is not None, f"a row of a line that is no object: {line[:200]!r} {row}")
        compare_with_json(line, row, columns)


def json_trees(rng: random.Random, folder: Path) -> None:
    """As `json_lines`, of nested objects of which only a sample is seen before, and with some columns only."""
    text, names = trees(rng)
    (folder / "x.jsonl").write_text("\n".join(text))
    columns = tuple(rng.sample(names, rng.randint(1, len(names)))) if rng.random() < 0.4 else None
    with (
        mock.patch.object(_json_schema, "SAMPLE_BYTES", rng.choice([1000, 1 << 20])),
        mock.patch.object(_json_schema, "PIECE_BYTES", 300),
    ):
        bad = Bad()
        try:
            table = read(JsonReader(paths=(str(folder),), columns=columns), bad, rng.choice([200, 1 << 20]))
        except InputError:
            need(columns is not None, "the columns are known")
            return
    need(table.num_rows + len(bad.records) == len(text), f"{len(text)} lines, {table.num_rows} rows, {bad.reasons[:3]}")
    failed = Counter(record for record, _ in bad.records)
    rows = iter(table.to_pylist())
    for line in text:
        if failed[line]:
            failed[line] -= 1
        else:
            compare_with_json(line.encode(), next(rows), table.schema)


def json_job(rng: random.Random, folder: Path) -> None:
    """A job accounts for every line under each policy, by content too."""
    text = lines(rng)
    (folder / "x.jsonl").write_text("\n".join(text))
    policy = rng.choice(["fail", "drop", "quarantine"])
    errors = {"policy": policy, **({"path": str(folder / "bad")} if policy == "quarantine" else {})}
    sink = rng.choice(["json", "parquet"])
    job = make_job(folder, folder / "out", sources=[{"json": {"paths": [str(folder / "x.jsonl")]}}], errors=errors,
                   sink={sink: {"path": str(folder / "out")}})  # fmt: skip
    try:
        report = run(job, shard_bytes=rng.choice([200, 10_000]))
    except DataJobError:
        return
    need(report.progress.rows_in == len([line for line in text if line.strip()]), f"{report.progress} of {len(text)} lines")
    ids = Counter(row["id"] for row in map(strict, (line.encode() for line in text)) if row and type(row.get("id")) is int)
    out: list[Any] = []
    if sink == "json":
        for file in sorted((folder / "out").glob("*.jsonl")):
            out += [json.loads(line).get("id") for line in file.read_bytes().splitlines()]
    else:
        for file in (folder / "out").glob("*.parquet"):
            written = pq.ParquetFile(file).read()
            out += written.column("id").to_pylist() if "id" in written.column_names else []
    if policy == "quarantine" and (folder / "bad").exists():
        for file in (folder / "bad").rglob("*.parquet"):
            for record in pq.ParquetFile(file).read().column("record").to_pylist():
                row = strict(record.encode())
                out += [row["id"]] if row and "id" in row else []
        need(Counter(i for i in out if i is not None) == ids, f"ids {ids} but {Counter(out)}")


def json_round_trip(rng: random.Random, folder: Path) -> None:
    """What is written are JSON lines with the values of the table, and our reader reads them."""
    table = random_table(rng)
    write(JsonWriter(path=str(folder)), table)
    found = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().split(b"\n")[:-1]]
    need(len(found) == table.num_rows, f"{table.num_rows} rows, {len(found)} lines")
    for number, line in enumerate(found):
        row = json.loads(line, parse_float=Decimal, parse_constant=lambda name: need(False, name))
        need(list(row) == table.column_names, f"{list(row)} instead of {table.column_names}")
        for name in table.column_names:
            need(_written(table.column(name)[number], row[name]), f"row {number}, {name!r}: became {row[name]!r}")
    bad = Bad()
    need(read(JsonReader(paths=(str(folder),)), bad).num_rows == table.num_rows, f"read back otherwise: {bad.records[:2]}")


def _written(scalar: Any, value: Any) -> bool:
    t, kind = pa.types, scalar.type
    if not scalar.is_valid:
        return value is None
    if t.is_integer(kind) or t.is_string(kind) or t.is_boolean(kind):
        return bool(scalar.as_py() == value and type(scalar.as_py()) is type(value))
    if t.is_decimal(kind):
        return bool(Decimal(value) == scalar.as_py())
    if t.is_floating(kind):
        number = float(scalar.as_py())
        return value is None if not math.isfinite(number) else float(value) == number
    if t.is_struct(kind):
        return list(value) == [f.name for f in kind] and all(_written(scalar[f.name], value[f.name]) for f in kind)
    if t.is_map(kind):
        return isinstance(value, dict)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return len(value) == len(scalar.values) and all(map(_written, scalar.values, value))
    return value is not None


def parquet_round_trip(rng: random.Random, folder: Path) -> None:
    """What is written is read back by pyarrow, DuckDB and us, or refused before."""
    table = random_table(rng)
    try:
        (file,) = write(ParquetWriter(path=str(folder)), table)
    except InvalidJob:
        return
    back = pq.ParquetFile(folder / file.path).read()
    need(back.num_rows == table.num_rows and back.column_names == table.column_names, "pyarrow reads other rows or columns")
    for name in table.column_names:
        then, now = table.column(name), back.column(name)
        if any(kind in str(then.type) for kind in ("[s", "[ns", "date64")):  # written as milliseconds, microseconds, days
            try:
                now = sound_cast(now, then.type)
            except pa.ArrowNotImplementedError:
                continue
        need(texts_of(now) == texts_of(then), f"{name!r} ({then.type}) differs")
    try:
        with duckdb.connect() as connection:  # an internal error invalidates the connection
            read_by_duckdb = connection.sql(f"SELECT * FROM '{folder / file.path}'").to_arrow_table().num_rows
    except duckdb.ConversionException:  # milliseconds beyond the microseconds that DuckDB has
        read_by_duckdb = table.num_rows
    need(read_by_duckdb == table.num_rows, "DuckDB reads another number of rows")
    mine = read(ParquetReader(paths=(str(folder),)))
    need(mine.num_rows == table.num_rows and mine.column_names == table.column_names, "our reader differs")


def csv_round_trip(rng: random.Random, folder: Path) -> None:
    """What is written is read by Python's csv, and our reader changes no text."""
    table = random_table(rng, nested=False)
    write(CsvWriter(path=str(folder)), table)
    (file,) = folder.glob("*.csv")
    rows = list(csv.reader(io.StringIO(file.read_bytes().decode(), newline="")))
    need(rows[0] == table.column_names, f"header {rows[0]} instead of {table.column_names}")
    bad = Bad()
    back = read(CsvReader(paths=(str(folder),)), bad)
    need(back.num_rows + len(bad.records) == table.num_rows, f"{table.num_rows} rows, {back.num_rows} read, {bad.reasons[:2]}")
    for name in table.column_names:
        then, now = (
            table.column(name).to_pylist() if pa.types.is_string(table.schema.field(name).type) else None,
            back.column(name),
        )
        if then is not None and pa.types.is_string(now.type) and not bad.records:
            need([v or None for v in then] == [v or None for v in now.to_pylist()], f"{name}: {then} became {now.to_pylist()}")


def csv_damage(rng: random.Random, folder: Path) -> None:
    """Damaged CSV gives rows and bad records, or an error with a message."""
    write(CsvWriter(path=str(folder)), random_table(rng, nested=False))
    (file,) = folder.glob("*.csv")
    file.write_bytes(damaged(file.read_bytes(), rng))
    _readable(CsvReader(paths=(str(file),), multiline=rng.random() < 0.5), file, rng)


def parquet_damage(rng: random.Random, folder: Path) -> None:
    """Damaged Parquet is read or refused with a message."""
    try:
        write(ParquetWriter(path=str(folder), compression=rng.choice(["none", "zstd", "snappy"])), random_table(rng))
    except InvalidJob:
        return
    (file,) = folder.glob("*.parquet")
    file.write_bytes(damaged(file.read_bytes(), rng))
    _readable(ParquetReader(paths=(str(file),)), file, rng)


def parquet_pages(rng: random.Random, folder: Path) -> None:
    """A changed byte in a page is found, because pages have checksums, or changes no value."""
    table = random_table(rng)
    try:
        (written,) = write(ParquetWriter(path=str(folder), compression=rng.choice(["none", "zstd"])), table)
    except InvalidJob:
        return
    file = folder / written.path
    expected, data = read(ParquetReader(paths=(str(file),))), bytearray(file.read_bytes())
    group = pq.ParquetFile(file).metadata.row_group(0)
    end = 4 + sum(group.column(i).total_compressed_size for i in range(group.num_columns))
    for _ in range(rng.choice([1, 1, 5])):
        data[rng.randrange(4, end)] = rng.randrange(256)
    file.write_bytes(data)
    bad = Bad()
    try:
        found = read(ParquetReader(paths=(str(file),)), bad)
    except DataJobError as error:
        need(file.name in str(error), f"a message without the file: {error}")
        return
    need(found.num_rows + len(bad.records) == expected.num_rows, f"{expected.num_rows} rows, but {found.num_rows}")
    for name in expected.column_names:
        need(bad.records or texts_of(found.column(name)) == texts_of(expected.column(name)), f"{name!r} changed")


def tar_damage(rng: random.Random, folder: Path) -> None:
    """Damaged tar files are read or refused with a message."""
    texts = pa.table({"__key__": [f"k{i}" for i in range(5)], "txt": ["x" * i for i in range(5)], "json": ['{"a":1}'] * 5})
    write(WebdatasetWriter(path=str(folder)), texts)
    (file,) = folder.glob("*.tar")
    file.write_bytes(damaged(file.read_bytes(), rng))
    _readable(WebdatasetReader(paths=(str(file),)), file, rng)


def _readable(reader: Any, file: Path, rng: random.Random) -> None:
    try:
        read(reader, Bad(), rng.choice([100, 1 << 20]), rng.choice([100, 1 << 20]))
    except DataJobError as error:
        need(file.name in str(error), f"a message without the file: {error}")


CHECKS: dict[str, Callable[[random.Random, Path], None]] = {
    check.__name__: check
    for check in (
        json_lines,
        json_damage,
        json_job,
        json_round_trip,
        parquet_round_trip,
        csv_round_trip,
        csv_damage,
        parquet_damage,
        tar_damage,
        json_trees,
        parquet_pages,
        folder_checks.compressed_damage,
        folder_checks.tar_round_trip,
        folder_checks.partitions,
        folder_checks.json_drift,
        folder_checks.csv_drift,
        folder_checks.parquet_drift,
        folder_checks.appended,
        folder_checks.declared_types,
    )
}
