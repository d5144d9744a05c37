"""A column of every Arrow type, written in every format and read by every program.

Each value is the same afterwards, or the column is refused before anything is written. DIFFERENT lists the rest: types that a
program reads in its own way from correct files. Spark is tested in `tests/spark`.
"""

import json
import tarfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("deltalake")
pytest.importorskip("pyiceberg")
pytest.importorskip("lance")

import deltalake
import lance

from datajob.errors import InvalidJob
from datajob.formats._table_sink import TableWriter
from datajob.formats.base import Reader, Writer
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.delta import DeltaReader, DeltaWriter
from datajob.formats.iceberg import IcebergReader, IcebergWriter
from datajob.formats.images import ImagesWriter
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.lance import LanceReader, LanceWriter
from datajob.formats.megatron import MegatronWriter
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.registry import WRITERS as ALL_WRITERS
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.support.arrow_values import columns, neutral
from tests.support.iceberg import catalog, properties
from tests.support.rows import Bad, read

COLUMNS = columns()
NESTED = {name for name, array in COLUMNS.items() if pa.types.is_nested(array.type)}
UNIONS = {"dense union", "sparse union"}
DURATIONS = {f"duration[{unit}]" for unit in ("s", "ms", "us", "ns")}
DECIMALS = {name for name, array in COLUMNS.items() if pa.types.is_decimal(array.type)}
TEXTS = {"string", "large_string", "string_view", "binary", "large_binary", "binary_view"}
DECLARED = {
    **{name: name for name in COLUMNS if name.startswith(("int", "uint", "timestamp", "duration"))},
    "bool": "bool",
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "bool8": "bool",
    "decimal32(9, 2)": "decimal(9, 2)",
    "decimal64(18, 4)": "decimal(18, 4)",
    "decimal128(38, 10)": "decimal(38, 10)",
    "date32[day]": "date",
    "date64[ms]": "date",
    "time32[s]": "time[s]",
    "time32[ms]": "time[ms]",
    "time64[us]": "time[us]",
    "time64[ns]": "time[ns]",
    **dict.fromkeys(("string", "large_string", "string_view", "uuid", "interval", "decimal256(50, 3)"), "string"),
}
"""The type to declare in `schema` for texts."""
DECLARED_IN_JSON = {
    **dict.fromkeys(("binary", "large_binary", "binary_view", "fixed_size_binary[3]"), "binary"),
    "decimal256(50, 3)": "text",
    "json": "text",
    "map<string, int64>": "map<string, int64>",
    "map<int32, list<item: string>>": "map<int32, list<string>>",
    "list<item: struct<t: timestamp[us], d: decimal128(10, 2)>>": "list<struct<t: timestamp[us], d: decimal(10, 2)>>",
}
Read = Callable[[Path, str], list[Any]]


def ours(kind: type[Reader], names: dict[str, str] | None = None) -> Read:
    def values(path: Path, name: str) -> list[Any]:
        declared = {"schema": {"c": names[name]}} if names and name in names else {}
        bad = Bad()
        found = read(kind(paths=(str(path),), **declared), bad).column("c").to_pylist()
        assert not bad.records
        return found

    return values


def by_duckdb(query: str) -> Read:
    return lambda path, name: duckdb.connect().sql(query.format(path=path)).to_arrow_table().column("c").to_pylist()


def ours_of_table(kind: type[Reader], parameters: Callable[[Path], dict[str, Any]] = lambda path: {"path": str(path)}) -> Read:
    return lambda path, name: read(kind(**parameters(path))).column("c").to_pylist()


def in_catalog(path: Path) -> dict[str, Any]:
    """An Iceberg table in a catalog for all columns."""
    beside = path.with_name("catalog")
    beside.mkdir(exist_ok=True)
    return {"table": f"lake.t{path.name}", "catalog": properties(beside)}


def of_samples(path: Path, name: str) -> list[Any]:
    table = read(WebdatasetReader(paths=(str(path),)))
    if "c" in table.column_names:
        return table.column("c").to_pylist()
    return [json.loads(text, parse_float=Decimal)["c"] for text in table.column("json").to_pylist()]


def of_tar(path: Path, name: str) -> list[Any]:
    samples: dict[str, Any] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, ending = member.name.partition(".")
            data = tar.extractfile(member).read()
            samples.setdefault(key, None)
            samples[key] = data if ending == "c" else json.loads(data, parse_float=Decimal).get("c", samples[key])
    return list(samples.values())


READERS: dict[str, dict[str, Read]] = {
    "parquet": {
        "ours": ours(ParquetReader),
        "pyarrow": lambda path, name: pq.read_table(path).column("c").to_pylist(),
        "pandas": lambda path, name: pa.array(pd.read_parquet(path, dtype_backend="pyarrow")["c"]).to_pylist(),
        "polars": lambda path, name: pl.read_parquet(path).to_arrow().column("c").to_pylist(),
        "DuckDB": by_duckdb("FROM read_parquet('{path}')"),
    },
    "json": {
        "ours": ours(JsonReader, DECLARED | DECLARED_IN_JSON),
        "Python": lambda path, name: [json.loads(line, parse_float=Decimal)["c"] for line in path.read_text().splitlines()],
        "pandas": lambda path, name: pa.array(pd.read_json(path, lines=True, dtype_backend="pyarrow")["c"]).to_pylist(),
        "polars": lambda path, name: pl.read_ndjson(path).get_column("c").to_list(),
        "DuckDB": by_duckdb("FROM read_json('{path}')"),
    },
    "delta": {
        "ours": ours_of_table(DeltaReader),
        "delta-rs": lambda path, name: pa.table(deltalake.DeltaTable(path).scan().read_all()).column("c").to_pylist(),
        "polars": lambda path, name: pl.read_delta(str(path)).to_arrow().column("c").to_pylist(),
    },
    "iceberg": {
        "ours": ours_of_table(IcebergReader, in_catalog),
        "pyiceberg": lambda path, name: (
            catalog(path.with_name("catalog")).load_table(f"lake.t{path.name}").scan().to_arrow().column("c").to_pylist()
        ),
    },
    "lance": {
        "ours": ours_of_table(LanceReader),
        "lance": lambda path, name: lance.dataset(path).to_table().column("c").to_pylist(),
        "polars": lambda path, name: pl.scan_pyarrow_dataset(lance.dataset(path)).collect().to_arrow().column("c").to_pylist(),
        "DuckDB": lambda path, name: duckdb.from_arrow(lance.dataset(path)).to_arrow_table().column("c").to_pylist(),
    },
    "webdataset": {"ours": of_samples, "Python": of_tar},
    "csv": {
        "ours": ours(CsvReader, DECLARED),
        "pandas": lambda path, name: pa.array(pd.read_csv(path, dtype_backend="pyarrow")["c"]).to_pylist(),
        "polars": lambda path, name: pl.read_csv(path).get_column("c").to_list(),
        "DuckDB": by_duckdb("FROM read_csv('{path}', header=true)"),
    },
}
Parameters = Callable[[Path], dict[str, Any]]


def only(**parameters: Any) -> Parameters:
    return lambda path: parameters


WRITERS: dict[str, tuple[type[Writer], Parameters, str]] = {
    "portable Parquet": (ParquetWriter, only(), "parquet"),
    "exact Parquet": (ParquetWriter, only(types="exact"), "parquet"),
    "JSON": (JsonWriter, only(), "json"),
    "CSV": (CsvWriter, only(), "csv"),
    "Delta": (DeltaWriter, only(), "delta"),
    "Iceberg": (IcebergWriter, in_catalog, "iceberg"),
    "Lance": (LanceWriter, only(), "lance"),
    "metadata of images": (ImagesWriter, only(image="image"), "json"),
    "metadata of Megatron": (MegatronWriter, only(vocabulary_size=9), "parquet"),
    "WebDataset": (WebdatasetWriter, only(), "webdataset"),
}
NEEDED: dict[type[Writer], tuple[str, Any]] = {MegatronWriter: ("input_ids", [1]), ImagesWriter: ("image", b"\xff\xd8\xff")}
"""A column without which a writer does not write, and its value in all rows."""
IN_NO_LAKE = {"runs", "interval", "decimal256(50, 3)", "uuid", "bool8", "tensor", *DURATIONS, *UNIONS}
REFUSED = {
    "portable Parquet": {"runs", "interval", "decimal256(50, 3)", *UNIONS},
    "exact Parquet": {"runs", "interval", *UNIONS},
    "JSON": set(),
    "CSV": {"runs", "tensor", *NESTED},
    "Delta": {*IN_NO_LAKE, *(name for name in COLUMNS if name.startswith("time") and not name.startswith("timestamp"))},
    "Iceberg": IN_NO_LAKE,
    "Lance": {"runs", "interval", *UNIONS},
    "metadata of images": set(),
    "metadata of Megatron": {"runs", "interval", *UNIONS},
    "WebDataset": set(),
}
ROUNDED = {"decimal64(18, 4)", "decimal128(38, 10)", "decimal256(50, 3)"}
"""Longer numbers than those of doubles, which these programs infer from text."""
MAP = "map<string, int64>"
"""Structs of the keys of all rows."""
OTHER_VALUES = {"interval", *UNIONS}
"""Text formats have other values for them, and a union has rows of several types."""
IN_JSON: dict[str, set[str]] = {
    "ours": OTHER_VALUES,
    "Python": {"json", *OTHER_VALUES},
    "pandas": {"int64", "uint64", "float", "double", "duration[ns]", "json", MAP, *ROUNDED, *OTHER_VALUES},
    "polars": {"json", MAP, *ROUNDED, *OTHER_VALUES},
    "DuckDB": {"json", MAP, *ROUNDED, *OTHER_VALUES},
}
DIFFERENT: dict[tuple[str, str], set[str]] = {
    ("portable Parquet", "polars"): {"date64[ms]"},  # a timestamp
    ("portable Parquet", "DuckDB"): DURATIONS,  # numbers, because Parquet has no durations
    ("exact Parquet", "polars"): {"date64[ms]", "uuid", "decimal256(50, 3)"},
    ("exact Parquet", "DuckDB"): {"bool8", "decimal256(50, 3)", *DURATIONS},
    **{(name, program): values for name in ("JSON", "metadata of images") for program, values in IN_JSON.items()},
    ("WebDataset", "ours"): {"json", "interval"},
    ("WebDataset", "Python"): {"json", "interval"},
    ("Iceberg", "pyiceberg"): {"list<item: struct<t: timestamp[us], d: decimal128(10, 2)>>"},  # a null list becomes empty
    ("Lance", "polars"): {"date64[ms]", "uuid", "decimal256(50, 3)"},
    ("Lance", "DuckDB"): {"halffloat", "decimal256(50, 3)", *DURATIONS},
    ("metadata of Megatron", "polars"): {"date64[ms]", "uuid", "decimal256(50, 3)", "list_view<item: int64>"},
    ("metadata of Megatron", "DuckDB"): {"bool8", "decimal256(50, 3)", *DURATIONS},
    ("CSV", "ours"): {"interval"},
    ("CSV", "pandas"): {"uint64", "float", "interval", *ROUNDED, *TEXTS},  # an empty text and `null` are null
    ("CSV", "polars"): {"float", "interval", *ROUNDED},
    ("CSV", "DuckDB"): {"float", "interval", *ROUNDED, *TEXTS},  # an empty text is null
}


def written(folder: Path, writer: str, column: Any) -> Path | None:
    """The file with a column; None if it is refused, and then nothing is written."""
    kind, parameters, ending = WRITERS[writer]
    name, value = NEEDED.get(kind, ("row", 0))
    table = pa.table({"c": column, name: [value] * len(column)})
    made = kind(path=str(folder), **parameters(folder))
    if isinstance(made, TableWriter):
        made = made.for_run("run")
    try:
        shard = made.open(str(folder), "part", table.schema)
    except InvalidJob:
        assert not folder.exists()
        return None
    shard.write(table)
    files = shard.close()
    if isinstance(made, TableWriter):
        made.publish(files, made.written_schema(table.schema))
        return folder
    return next(folder / file.path for file in files if ending in file.path or ending == "webdataset")


def expected(column: Any) -> Any:
    return neutral(column.to_pylist())


def test_every_writer_is_in_the_table() -> None:
    elsewhere = {
        "audio",  # writes the same metadata as `images`
        "huggingface",  # in test_huggingface_types.py, as the library `datasets` reads it
    }
    assert {kind.key for kind, _, _ in WRITERS.values()} == {*ALL_WRITERS} - elsewhere


@pytest.mark.parametrize("writer", WRITERS)
def test_values_of_every_type_are_the_same_or_refused(writer: str, tmp_path: Path) -> None:
    readers = READERS[WRITERS[writer][2]]
    refused = set()
    different: dict[str, set[str]] = {program: set() for program in readers}
    for number, (name, column) in enumerate(COLUMNS.items()):
        path = written(tmp_path / str(number), writer, column)
        if path is None:
            refused.add(name)
            continue
        for program, values in readers.items():
            if name in DIFFERENT.get((writer, program), set()):
                continue
            if neutral(values(path, name)) != expected(column):
                different[program].add(name)
    assert refused == REFUSED[writer]
    assert not {program: names for program, names in different.items() if names}
