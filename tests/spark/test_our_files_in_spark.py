"""Spark reads what DataJob writes, with the same values."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datajob.formats.base import Writer
from datajob.formats.csv import CsvWriter
from datajob.formats.json import JsonWriter
from datajob.formats.parquet import ParquetWriter
from tests.support.arrow_values import FIRST, LAST, columns, neutral
from tests.support.rows import write

TIMES = ("time32", "time64")
REFUSED = ("decimal256", "runs", "interval", "dense union", "sparse union")
ODD = [
    "a b",
    "a/b",
    "a:b",
    "100%",
    'q"#',
    "x=y",
    "中文",
    "München",
    "a+b",
    "it's",
    "[x]{y}^",
    "a?*b",
    "tab\there",
    "01",
    ".x",
    "a\\b",
]


def wide(*, times: bool) -> pa.Table:
    """A table with a column of every type that the sink accepts, and null in the missing rows."""
    kept = {
        name: array for name, array in columns().items() if not name.startswith(REFUSED) and name.startswith(TIMES) == times
    }
    rows = max(map(len, kept.values()))
    padded = {name: pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)]) for name, array in kept.items()}
    return pa.table(list(padded.values()), names=[f"c{i}" for i in range(len(padded))]).replace_schema_metadata(
        {f"c{i}": name for i, name in enumerate(padded)}
    )


def different(table: pa.Table, found: pa.Table) -> dict[str, Any]:
    """The columns with other values, by the name of their type."""
    assert found.column_names == table.column_names
    names = [(table.schema.metadata or {}).get(name.encode(), name.encode()).decode() for name in table.column_names]
    pairs = zip(names, table.columns, found.columns, strict=True)
    return {name: b.to_pylist() for name, a, b in pairs if neutral(a.to_pylist()) != neutral(b.to_pylist())}


def test_values_of_every_type(spark: Any, tmp_path: Path) -> None:
    table = wide(times=False)
    write(ParquetWriter(path=str(tmp_path)), table)
    others = different(table, spark.read.parquet(str(tmp_path)).toArrow())
    durations = {name: values for name, values in others.items() if name.startswith("duration")}
    assert durations == others
    assert durations["duration[s]"][:2] == [(400 * 86400 + 5) * 10**6, 0]  # microseconds
    assert len(durations) == 4


def test_times_of_day_need_a_setting_of_spark(spark: Any, setting: Any, tmp_path: Path) -> None:
    table = wide(times=True)
    write(ParquetWriter(path=str(tmp_path)), table)
    with pytest.raises(Exception, match="TIME is not supported"):
        spark.read.parquet(str(tmp_path)).collect()
    setting("spark.sql.timeType.enabled", "true")
    texts = spark.read.parquet(str(tmp_path)).selectExpr("CAST(c0 AS STRING) AS c0", "CAST(c2 AS STRING) AS c2").toArrow()
    assert neutral(texts.column("c0").to_pylist()) == neutral(table.column("c0").to_pylist())
    assert neutral(texts.column("c2").to_pylist()) == neutral(table.column("c2").to_pylist())


def test_partitions(spark: Any, tmp_path: Path) -> None:
    keys = [*ODD, None]
    write(ParquetWriter(path=str(tmp_path), partition_by=("k",)), pa.table({"k": keys, "i": range(len(keys))}))
    found = spark.read.parquet(str(tmp_path)).collect()
    assert {row["i"]: row["k"] for row in found} == dict(enumerate(keys))


def test_json(spark: Any, tmp_path: Path) -> None:
    table = pa.table(
        {
            "t": pa.array([FIRST, LAST, None], pa.timestamp("us")),
            "u": pa.array([FIRST, LAST, None], pa.timestamp("us", "UTC")),
            "d": pa.array([FIRST.date(), LAST.date(), None]),
            "m": pa.array([[("a", 1), ("中", None)], [], None], pa.map_(pa.string(), pa.int64())),
            "x": pa.array([[{"y": '"q" \\ \n'}], [], None]),
            "n": pa.array(["123456789012345678.5", "-0.1", None]).cast(pa.decimal128(20, 1)),
            "b": pa.array([b"\x00\xff", b"", None]),
        }
    )
    write(JsonWriter(path=str(tmp_path)), table)
    types = (
        "t timestamp_ntz, u timestamp, d date, m map<string, bigint>, x array<struct<y: string>>, n decimal(20, 1), b binary"
    )
    assert not different(table, spark.read.schema(types).json(str(tmp_path)).toArrow())


def test_csv(spark: Any, tmp_path: Path) -> None:
    texts = ["plain", 'q"#', "a,b", "a\nb", "C:\\dir", '\\"', "", None, "中文"]
    table = pa.table({"i": range(len(texts)), "v": texts, "t": pa.array([LAST] * len(texts), pa.timestamp("us"))})
    write(CsvWriter(path=str(tmp_path)), table)
    reader = spark.read.schema("i bigint, v string, t timestamp_ntz").options(header=True, multiLine=True, escape='"')
    found = reader.csv(str(tmp_path)).toArrow()
    assert found.column("v").to_pylist() == [text or None for text in texts]  # Spark reads an empty text as null
    assert not different(table.drop_columns(["v"]), found.drop_columns(["v"]))


@pytest.mark.parametrize("writer", [ParquetWriter, JsonWriter])
def test_an_append_with_another_column(spark: Any, tmp_path: Path, writer: type[Writer]) -> None:
    write(writer(path=str(tmp_path)), pa.table({"a": [1]}), prefix="0")
    write(writer(path=str(tmp_path)), pa.table({"a": [2], "b": ["x"]}), prefix="1")
    reader = spark.read.option("mergeSchema", True)
    found = (reader.parquet if writer is ParquetWriter else reader.json)(str(tmp_path)).orderBy("a").toArrow()
    assert found.to_pydict() == {"a": [1, 2], "b": [None, "x"]}
