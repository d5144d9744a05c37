"""DataJob reads what Spark writes, with the same values."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats.base import Reader
from datajob.formats.csv import CsvReader
from datajob.formats.json import JsonReader
from datajob.formats.orc import OrcReader
from datajob.formats.parquet import ParquetReader
from tests.spark.test_our_files_in_spark import ODD, different
from tests.support.arrow_values import neutral
from tests.support.local_jobs import make_job, run
from tests.support.rows import Bad, read

TYPES = """
SELECT CAST(1 AS TINYINT) AS i8, CAST(-2 AS SMALLINT) AS i16, 3 AS i32, 9223372036854775807 AS i64, CAST(1.5 AS FLOAT) AS f32,
    CAST(0.1 AS DOUBLE) AS f64, CAST('-9999999999999999999999999999.9999999999' AS DECIMAL(38, 10)) AS d38, 12.34 AS d4,
    CAST('123456789012.345' AS DECIMAL(15, 3)) AS d15, true AS flag, '中文 "q"' AS text, X'00FF' AS data,
    DATE'9999-12-31' AS last_day, DATE'0001-01-01' AS first_day,
    TIMESTAMP'9999-12-31 23:59:59.999999' AS last_time, TIMESTAMP'0001-01-01 00:00:00' AS first_time,
    TIMESTAMP_NTZ'9999-12-31 23:59:59' AS local_time, array(1, NULL, 3) AS numbers, array(array('a'), NULL) AS lists,
    map('a', 1, 'b', NULL) AS pairs,
    from_json('{"k": {"x": "1969-12-31T23:59:59"}}', 'map<string, struct<x: timestamp>>') AS times,
    from_json('{"x": 1, "y": [{"z": 1.5}, null]}', 'x int, y array<struct<z: decimal(5, 2)>>') AS item, NULL AS nothing,
    INTERVAL '1' DAY AS days
"""
AND_NULLS = """
SELECT t.* EXCEPT (row) FROM (VALUES (0), (1)) AS n(row) LEFT JOIN (SELECT 0 AS row, * FROM ({})) AS t ON n.row = t.row
ORDER BY n.row
"""


def all_types(spark: Any) -> Any:
    """Two rows: values of all types, and nulls."""
    return spark.sql(AND_NULLS.format(TYPES)).coalesce(1)


def values(path: Path, reader: type[Reader] = ParquetReader, **parameters: Any) -> pa.Table:
    bad = Bad()
    table = read(reader(paths=(str(path),), **parameters), bad)
    assert not bad.records
    return table


@pytest.mark.parametrize(
    "settings",
    [
        {"spark.sql.parquet.outputTimestampType": "INT96"},
        {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"},
        {"spark.sql.parquet.writeLegacyFormat": "true"},
    ],
    ids=lambda settings: "-".join(next(iter(settings.items()))),
)
def test_values_of_every_type(spark: Any, setting: Any, tmp_path: Path, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        setting(name, value)
    all_types(spark).write.option("compression", "zstd").parquet(str(tmp_path / "in"))
    expected = all_types(spark).drop("days").toArrow()
    table = values(tmp_path / "in")
    assert not different(expected, table.drop_columns(["days"]))
    assert table.schema.field("last_time").type == pa.timestamp("us", "UTC")
    assert table.schema.field("local_time").type == pa.timestamp("us")
    assert table.column("d38")[0].as_py() == Decimal("-9999999999999999999999999999.9999999999")
    assert table.column("last_time")[0].as_py() == dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC)


def test_a_job_between_two_jobs_of_spark_changes_no_value(spark: Any, tmp_path: Path) -> None:
    all_types(spark).write.parquet(str(tmp_path / "in"))
    run(make_job(tmp_path / "in", tmp_path / "out"))
    before, after = (spark.read.parquet(str(tmp_path / name)) for name in ("in", "out"))
    assert after.count() == 2
    assert not different(before.drop("days").toArrow(), after.drop("days").toArrow())
    kept = {name for name, kind in after.dtypes if dict(before.dtypes)[name] == kind}
    assert set(before.columns) - kept <= {"nothing", "days"}


def test_partitions(spark: Any, tmp_path: Path) -> None:
    keys = [*ODD, None, ""]
    spark.createDataFrame(list(enumerate(keys)), "i int, k string").write.partitionBy("k").parquet(str(tmp_path / "in"))
    found = values(tmp_path / "in").to_pydict()
    assert dict(zip(found["i"], found["k"], strict=True)) == {i: key or None for i, key in enumerate(keys)}  # as in Spark


def test_files_with_other_columns_and_wider_types(spark: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "in")
    spark.sql("SELECT 1 AS a, 'x' AS b").write.parquet(path)
    spark.sql("SELECT 5000000000 AS a, 2.5 AS c").write.mode("append").parquet(path)
    rows = sorted(values(tmp_path / "in").to_pylist(), key=lambda row: row["a"])
    assert rows == [{"a": 1, "b": "x", "c": None}, {"a": 5000000000, "b": None, "c": Decimal("2.5")}]
    assert (tmp_path / "in" / "_SUCCESS").exists()


def test_buckets(spark: Any, tmp_path: Path) -> None:
    table = spark.range(100).write.bucketBy(3, "id").option("path", str(tmp_path / "in"))
    table.saveAsTable("buckets")
    spark.sql("DROP TABLE buckets")
    assert sorted(values(tmp_path / "in").column("id").to_pylist()) == list(range(100))


TEXTS = [
    "plain",
    'q"#',
    '"',
    'a"',
    "C:\\dir",
    "C:\\dir\\",
    "C:\\dir\\,x",
    '\\"',
    "\\",
    "\\\\",
    "a,b",
    "a\nb",
    "",
    None,
    "中文",
    "\\n",
]


@pytest.mark.parametrize(("options", "escape"), [({}, "\\"), ({"quoteAll": "true"}, "\\"), ({"escape": '"'}, '"')])
def test_csv(spark: Any, tmp_path: Path, options: dict[str, str], escape: str) -> None:
    frame = spark.createDataFrame(list(enumerate(TEXTS)), "i int, v string").coalesce(1)
    frame.write.options(header=True, nullValue="NULL" if "quoteAll" in options else None, **options).csv(str(tmp_path / "in"))
    with pytest.raises(InputError, match="Spark wrote this file"):
        values(tmp_path / "in", CsvReader)
    found = values(tmp_path / "in", CsvReader, escape=escape).to_pydict()
    texts = ["NULL" if text is None else text for text in TEXTS] if "quoteAll" in options else TEXTS
    assert found == {"i": list(range(len(texts))), "v": texts}


def test_orc(spark: Any, tmp_path: Path) -> None:
    frame = all_types(spark).drop("last_time", "first_time", "local_time", "first_day", "nothing", "days")
    frame.write.orc(str(tmp_path / "in"))
    assert not different(frame.toArrow(), values(tmp_path / "in", OrcReader))
    for column, reason in (("last_time", "out of range"), ("first_day", "contains a date before 1582-10-15")):
        all_types(spark).select("i64", column).write.orc(str(tmp_path / column))
        with pytest.raises(InputError, match=reason):
            values(tmp_path / column, OrcReader)
        assert values(tmp_path / column, OrcReader, columns=("i64",)).num_rows == 2


def test_json(spark: Any, tmp_path: Path) -> None:
    frame = all_types(spark).select("i64", "f64", "flag", "text", "last_day", "local_time", "numbers", "item", "pairs")
    frame.write.option("ignoreNullFields", False).json(str(tmp_path / "in"))
    declared = {"last_day": "date", "local_time": "timestamp", "pairs": "map<string, int64>"}
    found = values(tmp_path / "in", JsonReader, schema=declared)
    assert neutral(found.to_pylist()) == neutral(frame.toArrow().to_pylist())
