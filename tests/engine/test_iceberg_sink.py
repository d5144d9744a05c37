"""Runs that write to Iceberg tables: modes, columns, statistics, and conflicts with other writers."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg")

from datajob.errors import DataJobError, InvalidJob, SinkError, StorageUnavailable
from datajob.formats import _iceberg_commit
from tests.support.iceberg import catalog, properties
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i % 7}", "lang": ("de", "中 文/%", None)[i % 3], "share": i / 4} for i in range(60)]
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), ("lang", pa.string()), ("share", pa.float64())])
OTHER = pa.table({"id": [-1], "text": ["x"], "lang": ["de"], "share": [0.0]}, schema=SCHEMA)


def table(folder: Path) -> Any:
    return catalog(folder).load_table("lake.t")


def rows_of(folder: Path, **scan: Any) -> Rows:
    return sorted(table(folder).scan(**scan).to_arrow().to_pylist(), key=lambda row: row["id"])


def job(folder: Path, mode: str = "error", source: str = "in", **sink: Any) -> Any:
    place = {"path": str(folder / "out"), "table": "lake.t", "catalog": properties(folder)}
    return make_job(folder / source, folder / "out", sink={"iceberg": {**place, "mode": mode, **sink}})


def write_input(folder: Path, rows: Rows = ROWS, name: str = "in") -> None:
    write_parts(folder / name, rows, 2)


def test_modes(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path, partitionBy=["lang"]))
    first = table(tmp_path).current_snapshot().snapshot_id
    assert rows_of(tmp_path) == ROWS
    assert len(list(table(tmp_path).scan(row_filter="lang = 'de'").plan_files())) == 2
    assert len(list(table(tmp_path).scan(row_filter="id < 5").plan_files())) == 3  # skips the files of the second shard
    with pytest.raises(SinkError, match="already contains a table"):
        run(job(tmp_path))
    run(job(tmp_path, "append"))
    assert rows_of(tmp_path) == [row for row in ROWS for _ in range(2)]
    write_input(tmp_path, [row for row in ROWS if row["lang"] == "de"], "some")
    run(job(tmp_path, "overwrite", "some", overwrite="partitions"))
    assert rows_of(tmp_path) == [row for row in ROWS for _ in range(1 if row["lang"] == "de" else 2)]
    run(job(tmp_path, "overwrite"))
    assert rows_of(tmp_path) == ROWS
    assert rows_of(tmp_path, snapshot_id=first) == ROWS
    with pytest.raises(InvalidJob, match="partitioned by lang, but `partitionBy` is id"):
        run(job(tmp_path, "append", partitionBy=["id"]))
    source = {"iceberg": {"table": "lake.t", "catalog": properties(tmp_path), "where": "lang IS NULL"}}
    run(make_job(tmp_path, tmp_path / "back", sources=[source]))
    assert sorted(read_manifest(tmp_path / "back"), key=lambda row: row["id"]) == [row for row in ROWS if row["lang"] is None]


def test_columns_are_added_only_on_request_and_stored_with_the_types_of_the_table(tmp_path: Path) -> None:
    found = catalog(tmp_path).create_table("lake.t", schema=pa.schema([("id", pa.int32())]))
    found.append(pa.table({"id": pa.array([-1], pa.int32())}))
    write_input(tmp_path, [{"id": 7, "text": "a"}])
    with pytest.raises(InvalidJob, match="the table has no column text; it has id"):
        run(job(tmp_path, "append"))
    run(job(tmp_path, "append", schemaMode="merge"))
    assert rows_of(tmp_path) == [{"id": -1, "text": None}, {"id": 7, "text": "a"}]
    write_input(tmp_path, [{"id": 1 << 40}], "large")
    with pytest.raises(InvalidJob, match=r"column id \(int64\) cannot be stored as int32"):
        run(job(tmp_path, "append", "large"))


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_rows_of_other_writers_are_not_lost(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer appends between the two moments at which the table is read and the snapshot is committed."""
    write_input(tmp_path)
    run(job(tmp_path))
    original = _iceberg_commit._mapping
    others = iter(range(1))

    def mapping(metadata: Any) -> str:
        if next(others, None) is not None:
            table(tmp_path).append(OTHER)
        return original(metadata)

    monkeypatch.setattr(_iceberg_commit, "_mapping", mapping)
    run(job(tmp_path, mode))
    expected = ROWS if mode == "overwrite" else [*OTHER.to_pylist(), *(row for row in ROWS for _ in range(2))]
    assert rows_of(tmp_path) == expected  # `overwrite` replaces the rows of the other writer, which came first
    assert [row["id"] for row in rows_of(tmp_path, snapshot_id=table(tmp_path).metadata.snapshots[1].snapshot_id)][:1] == [-1]


def test_a_table_that_another_writer_creates_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    original = _iceberg_commit._mapping

    def mapping(metadata: Any) -> str:
        catalog(tmp_path).create_table_if_not_exists("lake.t", schema=SCHEMA)
        return original(metadata)

    monkeypatch.setattr(_iceberg_commit, "_mapping", mapping)
    with pytest.raises(SinkError, match="another writer has created the table"):
        run(job(tmp_path))
    assert rows_of(tmp_path) == []


def test_results_without_rows(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [], 1, SCHEMA)
    run(job(tmp_path))
    assert table(tmp_path).schema().column_names == SCHEMA.names
    run(job(tmp_path, "append"))
    table(tmp_path).append(OTHER)
    run(job(tmp_path, "overwrite"))
    assert rows_of(tmp_path) == []


def test_every_type_is_stored(tmp_path: Path) -> None:
    kinds = {"u64": pa.uint64(), "u8": pa.uint8(), "f16": pa.float16(), "ns": pa.timestamp("ms", "UTC"), "t": pa.time32("s")}
    write_parts(tmp_path / "in", [{"id": 1, "u64": 2**64 - 1}], 1, pa.schema([("id", pa.int64()), *kinds.items()]))
    run(job(tmp_path))
    assert int(rows_of(tmp_path)[0]["u64"]) == 2**64 - 1


@pytest.mark.s3
def test_a_table_on_s3_is_written_and_read(tmp_path: Path, bucket: str) -> None:
    write_input(tmp_path)
    place = {"table": "lake.t", "catalog": {**properties(tmp_path), "warehouse": f"{bucket}/lake"}}
    for mode in ("error", "append", "overwrite"):
        sink = {"iceberg": {"path": f"{bucket}/lake/t", "mode": mode, "partitionBy": ["lang"], **place}}
        run(make_job(tmp_path / "in", tmp_path / "out", sink=sink))
    run(make_job(tmp_path, tmp_path / "back", sources=[{"iceberg": {**place, "where": "lang IS NOT NULL"}}]))
    assert sorted(read_manifest(tmp_path / "back"), key=lambda row: row["id"]) == [row for row in ROWS if row["lang"]]


@pytest.mark.s3
def test_wrong_credentials_are_an_error(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    sink = {"table": "lake.t", "path": f"{bucket}/t", "catalog": {**properties(tmp_path), "warehouse": f"{bucket}/lake"}}
    with pytest.raises(DataJobError, match="credentials are invalid"):
        run(make_job(tmp_path / "in", tmp_path / "out", sink={"iceberg": sink}))


def test_a_catalog_that_is_down_can_be_retried(tmp_path: Path) -> None:
    write_input(tmp_path)
    with pytest.raises(StorageUnavailable, match=r"lake\.t: the catalog default or its storage cannot be reached"):
        run(job(tmp_path, catalog={"type": "sql", "uri": "sqlite:////no/where/c.db", "warehouse": "w"}))
