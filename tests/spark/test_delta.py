"""Delta tables between DataJob and Spark, in both directions."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("deltalake")

from deltalake import DeltaTable

from datajob.errors import InvalidJob
from datajob.formats.delta import DeltaReader
from tests.spark.test_files_of_spark import TYPES
from tests.spark.test_our_files_in_spark import ODD, different
from tests.support.local_jobs import Rows, make_job, run, write_parts
from tests.support.rows import read

WITHOUT = ("days", "nothing")
"""Columns of types that Delta does not have."""


def job(tmp_path: Path, mode: str = "error", source: str = "in", **sink: Any) -> Any:
    return make_job(tmp_path / source, tmp_path / "t", sink={"delta": {"path": str(tmp_path / "t"), "mode": mode, **sink}})


def in_spark(spark: Any, path: Path, **options: Any) -> Rows:
    rows = spark.read.format("delta").options(**options).load(str(path)).toArrow().to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def ours(path: Path, **parameters: Any) -> Rows:
    return sorted(read(DeltaReader(path=str(path), **parameters)).to_pylist(), key=lambda row: row["id"])


def create(spark: Any, path: Path, columns: str, properties: str = "", more: str = "") -> str:
    """A table of Spark; returns its name in SQL."""
    settings = f"TBLPROPERTIES ({properties})" if properties else ""
    spark.sql(f"CREATE TABLE delta.`{path}` ({columns}) USING delta {more} {settings}")
    return f"delta.`{path}`"


def test_spark_reads_our_versions_partitions_and_transactions(tables: Any, tmp_path: Path) -> None:
    texts = [key for key in ODD if key]
    rows: Rows = [{"id": i, "k": key, "day": dt.date(2020, 1, 1 + i % 3)} for i, key in enumerate([*texts, None])]
    write_parts(tmp_path / "in", rows, 2)
    run(job(tmp_path, partitionBy=["k", "day"]), run_id="first")
    assert in_spark(tables, tmp_path / "t") == rows
    added: Rows = [{"id": 1000 + i, "k": "a b", "day": None, "more": [{"x": i}]} for i in range(3)]
    write_parts(tmp_path / "more", added, 1)
    run(job(tmp_path, "append", "more", schemaMode="merge"), run_id="second")
    merged = [{**row, "more": None} for row in rows]
    assert in_spark(tables, tmp_path / "t") == [*merged, *added]
    run(job(tmp_path, "overwrite", "more", overwrite="partitions"), run_id="third")
    assert in_spark(tables, tmp_path / "t") == [*merged, *added]
    assert in_spark(tables, tmp_path / "t", versionAsOf=0) == rows
    name = f"delta.`{tmp_path / 't'}`"
    tables.sql(f"DELETE FROM {name} WHERE k = '01'")
    assert ours(tmp_path / "t") == in_spark(tables, tmp_path / "t") == [row for row in [*merged, *added] if row["k"] != "01"]
    # Spark ignores a write whose transaction the table has
    again = tables.createDataFrame([(5000, "a b", None)], "id long, k string, day date").write.format("delta").mode("append")
    again.options(txnAppId="datajob-third", txnVersion=1).save(str(tmp_path / "t"))
    assert 5000 not in {row["id"] for row in in_spark(tables, tmp_path / "t")}


def test_values_of_every_type_of_spark(tables: Any, tmp_path: Path) -> None:
    frame = tables.sql(f"SELECT 1 AS id, t.* EXCEPT ({', '.join(WITHOUT)}) FROM ({TYPES}) AS t")
    frame.write.format("delta").save(str(tmp_path / "s"))
    expected = frame.toArrow()
    assert not different(expected, read(DeltaReader(path=str(tmp_path / "s"))))
    sources = [{"delta": {"path": str(tmp_path / "s")}}]
    run(make_job(tmp_path, tmp_path / "t", sources=sources, sink={"delta": {"path": str(tmp_path / "t")}}))
    assert not different(expected, tables.read.format("delta").load(str(tmp_path / "t")).toArrow())


def test_deletion_vectors_types_that_became_wider_and_checkpoints(tables: Any, tmp_path: Path) -> None:
    properties = (
        "'delta.enableDeletionVectors' = 'true', 'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '3', "
        "'delta.enableTypeWidening' = 'true', 'delta.enableInCommitTimestamps' = 'true'"
    )
    name = create(tables, tmp_path, "id INT, at TIMESTAMP_NTZ, k STRING", properties, "PARTITIONED BY (k)")
    values = ", ".join(f"({i}, TIMESTAMP_NTZ'2020-01-01 00:00:{i:02}', '{'ab'[i % 2]}')" for i in range(60))
    tables.sql(f"INSERT INTO {name} VALUES {values}")
    tables.sql(f"DELETE FROM {name} WHERE id % 5 = 0")
    tables.sql(f"DELETE FROM {name} WHERE id BETWEEN 10 AND 13")
    left = [i for i in range(60) if i % 5 and not 10 <= i <= 13]
    assert [row["id"] for row in ours(tmp_path)] == left
    assert any((tmp_path / "_delta_log/_sidecars").iterdir())
    tables.sql(f"ALTER TABLE {name} ALTER COLUMN id TYPE BIGINT")
    tables.sql(f"INSERT INTO {name} VALUES (5000000000, NULL, 'c')")
    rows = ours(tmp_path)
    assert [row["id"] for row in rows] == [*left, 5000000000]
    assert rows == in_spark(tables, tmp_path)
    assert [row["id"] for row in ours(tmp_path, where="k = 'c'")] == [5000000000]
    assert len(ours(tmp_path, version=1)) == 60


def test_features_that_concern_only_writers(tables: Any, tmp_path: Path) -> None:
    name = f"delta.`{tmp_path / 't'}`"
    tables.sql(
        f"CREATE TABLE {name} (id BIGINT, next BIGINT GENERATED ALWAYS AS (id + 1), "
        "number BIGINT GENERATED ALWAYS AS IDENTITY, k INT DEFAULT 7) USING delta CLUSTER BY (id) "
        "TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported', "
        "'delta.enableRowTracking' = 'true', 'delta.enableInCommitTimestamps' = 'true')"
    )
    tables.sql(f"INSERT INTO {name} (id) VALUES (1)")
    assert ours(tmp_path / "t") == [{"id": 1, "next": 2, "number": 1, "k": 7}]
    write_parts(tmp_path / "in", [{"id": 3}], 1)
    with pytest.raises(InvalidJob, match=r"uses the feature .*, which is not supported, so it cannot be written"):
        run(job(tmp_path, "append"))


def test_rules_of_a_table_are_respected(tables: Any, tmp_path: Path) -> None:
    name = create(tables, tmp_path / "t", "id BIGINT NOT NULL, k STRING", "'delta.enableChangeDataFeed' = 'true'")
    tables.sql(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b')")
    write_parts(tmp_path / "in", [{"id": 3}], 1)
    run(job(tmp_path, "append"))
    found = tables.read.format("delta").options(readChangeFeed=True, startingVersion=2).load(str(tmp_path / "t"))
    assert found.select("id", "_change_type").toArrow().to_pylist() == [{"id": 3, "_change_type": "insert"}]
    write_parts(tmp_path / "null", [{"id": None, "k": "a"}], 1, pa.schema([("id", pa.int64()), ("k", pa.string())]))
    with pytest.raises(InvalidJob, match="column id contains a null"):
        run(job(tmp_path, "append", "null"))
    tables.sql(f"ALTER TABLE {name} ADD CONSTRAINT positive CHECK (id > 0)")
    with pytest.raises(InvalidJob, match="positive"):
        run(job(tmp_path, "append"))
    assert [row["id"] for row in ours(tmp_path / "t")] == [1, 2, 3]
    assert DeltaTable(tmp_path / "t").version() == 3


def test_files_of_another_table(tables: Any, tmp_path: Path) -> None:
    name = create(tables, tmp_path / "a b ü", "id BIGINT, k STRING", "", "PARTITIONED BY (k)")
    tables.sql(f"INSERT INTO {name} VALUES (1, 'a b%20'), (2, 'ü')")
    tables.sql(f"CREATE TABLE delta.`{tmp_path / 'clone'}` SHALLOW CLONE {name}")
    rows = [{"id": 1, "k": "a b%20"}, {"id": 2, "k": "ü"}]
    assert ours(tmp_path / "a b ü") == ours(tmp_path / "clone") == rows
