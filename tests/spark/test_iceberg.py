"""Iceberg tables between DataJob and Spark, in both directions."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyiceberg")

from datajob.errors import InputError, InvalidJob
from datajob.formats.iceberg import IcebergReader
from tests.spark.test_files_of_spark import TYPES
from tests.spark.test_our_files_in_spark import ODD, different
from tests.support.iceberg import catalog, properties
from tests.support.local_jobs import Rows, make_job, run, write_parts
from tests.support.rows import read

WITHOUT = ("days", "nothing")
"""Columns of types that Iceberg does not have."""


def job(tmp_path: Path, mode: str = "error", source: str = "in", table: str = "lake.t", **sink: Any) -> Any:
    place = {"table": table, "catalog": properties(tmp_path), "path": str(tmp_path / "t"), "mode": mode}
    return make_job(tmp_path / source, tmp_path / "t", sink={"iceberg": {**place, **sink}})


def in_spark(spark: Any, tmp_path: Path, table: str = "lake.t") -> Rows:
    """The rows that Spark finds in the current metadata of a table."""
    metadata = catalog(tmp_path).load_table(table).metadata_location
    return sorted(spark.read.format("iceberg").load(metadata).toArrow().to_pylist(), key=lambda row: row["id"])


def ours(tmp_path: Path, table: str = "lake.t", **parameters: Any) -> Rows:
    reader = IcebergReader(table=table, catalog=properties(tmp_path), **parameters)
    return sorted(read(reader).to_pylist(), key=lambda row: row["id"])


def register(spark: Any, tmp_path: Path, name: str) -> str:
    """The table `ice.db.<name>` of Spark in the catalog of the tests, at its current state."""
    location = spark.sql(f"SELECT file FROM ice.db.{name}.metadata_log_entries ORDER BY timestamp DESC LIMIT 1").first().file
    found = catalog(tmp_path)
    if found.table_exists(f"lake.{name}"):
        found.drop_table(f"lake.{name}")
    found.register_table(f"lake.{name}", location)
    return f"lake.{name}"


def test_spark_reads_our_versions_and_partitions(tables: Any, tmp_path: Path) -> None:
    texts = [key for key in ODD if key]
    rows: Rows = [{"id": i, "k": key, "day": dt.date(2020, 1, 1 + i % 3)} for i, key in enumerate([*texts, None])]
    write_parts(tmp_path / "in", rows, 2)
    run(job(tmp_path, partitionBy=["k", "day"]), run_id="first")
    assert in_spark(tables, tmp_path) == rows
    added: Rows = [{"id": 1000 + i, "k": "a b", "day": None, "more": [{"x": i}]} for i in range(3)]
    write_parts(tmp_path / "more", added, 1)
    run(job(tmp_path, "append", "more", schemaMode="merge"), run_id="second")
    run(job(tmp_path, "overwrite", "more", overwrite="partitions"), run_id="third")
    assert in_spark(tables, tmp_path) == [*({**row, "more": None} for row in rows), *added]
    metadata = catalog(tmp_path).load_table("lake.t").metadata_location
    summaries = tables.read.format("iceberg").load(f"{metadata}#snapshots").orderBy("committed_at").collect()
    assert [row.summary["datajob.run"] for row in summaries] == ["first", "second", "third"]


def test_values_of_every_type_of_spark(tables: Any, tmp_path: Path) -> None:
    frame = tables.sql(f"SELECT 1 AS id, t.* EXCEPT ({', '.join(WITHOUT)}) FROM ({TYPES}) AS t")
    frame.writeTo("ice.db.types").create()
    name = register(tables, tmp_path, "types")
    expected = tables.table("ice.db.types").toArrow()
    place = {"table": name, "catalog": properties(tmp_path)}
    assert not different(expected, read(IcebergReader(**place)))
    sink = {"iceberg": {**place, "table": "lake.t", "path": str(tmp_path / "t")}}
    run(make_job(tmp_path, tmp_path / "t", sources=[{"iceberg": place}], sink=sink))
    metadata = catalog(tmp_path).load_table("lake.t").metadata_location
    assert not different(expected, tables.read.format("iceberg").load(metadata).toArrow())


def test_deletes_partitions_by_transforms_and_evolution(tables: Any, tmp_path: Path) -> None:
    tables.sql(
        "CREATE TABLE ice.db.events (id INT, at TIMESTAMP, k STRING) USING iceberg PARTITIONED BY (days(at), bucket(2, k)) "
        "TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')"
    )
    values = ", ".join(f"({i}, TIMESTAMP'2020-01-0{1 + i % 3} 00:00:00', 'k{i % 5}')" for i in range(60))
    tables.sql(f"INSERT INTO ice.db.events VALUES {values}")
    tables.sql("DELETE FROM ice.db.events WHERE id % 7 = 0")
    tables.sql("ALTER TABLE ice.db.events RENAME COLUMN k TO name")
    tables.sql("ALTER TABLE ice.db.events ADD COLUMN k STRUCT<x: INT>")
    tables.sql("ALTER TABLE ice.db.events ALTER COLUMN id TYPE BIGINT")
    tables.sql("INSERT INTO ice.db.events VALUES (5000000000, NULL, 'new', named_struct('x', 1))")
    table = register(tables, tmp_path, "events")
    rows = ours(tmp_path, table)
    assert [row["id"] for row in rows] == [*(i for i in range(60) if i % 7), 5000000000]
    assert rows == sorted(tables.table("ice.db.events").toArrow().to_pylist(), key=lambda row: row["id"])
    chosen = ours(tmp_path, table, where="at_day = '2020-01-02'")
    assert [row["id"] for row in chosen] == [i for i in range(60) if i % 7 and i % 3 == 1]
    write_parts(tmp_path / "in", [{"id": 1}], 1)
    with pytest.raises(InvalidJob, match="partitioned by day"):
        run(job(tmp_path, "append", table=table))


def test_tables_of_format_version_3(tables: Any, tmp_path: Path) -> None:
    tables.sql("CREATE TABLE ice.db.three (id INT, k STRING) USING iceberg TBLPROPERTIES ('format-version' = '3', "
               "'write.delete.mode' = 'merge-on-read')")  # fmt: skip
    tables.sql("INSERT INTO ice.db.three VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    table = register(tables, tmp_path, "three")
    assert [row["id"] for row in ours(tmp_path, table)] == [1, 2, 3]  # with row lineage
    write_parts(tmp_path / "in", [{"id": 1}], 1)
    with pytest.raises(InvalidJob, match="format version 3 cannot be written"):
        run(job(tmp_path, "append", table=table))
    tables.sql("DELETE FROM ice.db.three WHERE id = 2")
    register(tables, tmp_path, "three")
    with pytest.raises(InputError, match="deletion vectors"):
        ours(tmp_path, table)
