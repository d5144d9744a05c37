"""Runs that write to Delta tables: one version for a run through every crash, and conflicts with other writers."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("deltalake")

from deltalake import DeltaTable, write_deltalake

from datajob.errors import DataJobError, InvalidJob, SinkError
from datajob.formats import _delta_commit
from datajob.formats.delta import DeltaReader, DeltaWriter
from tests.support.delta import add_actions, commit, delete_rows, log_file, protocol
from tests.support.killed import Killed, killed_at
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i % 7}", "lang": ("de", "中 文/%", None)[i % 3], "share": i / 4} for i in range(90)]


def rows_of(table: Path, **version: Any) -> Rows:
    return sorted(pa.table(DeltaTable(table, **version).scan().read_all()).to_pylist(), key=lambda row: row["id"])


def job(tmp_path: Path, mode: str = "error", source: str = "in", **sink: Any) -> Any:
    return make_job(tmp_path / source, tmp_path / "out", sink={"delta": {"path": str(tmp_path / "out"), "mode": mode, **sink}})


def write_input(tmp_path: Path, rows: Rows = ROWS, name: str = "in") -> None:
    write_parts(tmp_path / name, rows, 3)


def test_modes(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path, partitionBy=["lang"]))
    with pytest.raises(SinkError, match="already contains a table"):
        run(job(tmp_path))
    run(job(tmp_path, "append"))
    assert rows_of(tmp_path / "out") == sorted(ROWS * 2, key=lambda row: row["id"])
    write_input(tmp_path, [row for row in ROWS if row["lang"] == "de"], "some")
    run(job(tmp_path, "overwrite", "some", overwrite="partitions"))
    rest = [row for row in ROWS if row["lang"] != "de"]
    assert rows_of(tmp_path / "out") == sorted(
        [*(row for row in ROWS if row["lang"] == "de"), *rest * 2], key=lambda row: row["id"]
    )
    run(job(tmp_path, "overwrite"))
    assert rows_of(tmp_path / "out") == ROWS
    assert rows_of(tmp_path / "out", version=1) == sorted(ROWS * 2, key=lambda row: row["id"])  # files of old versions remain


def test_readers_skip_files_by_statistics(tmp_path: Path) -> None:
    long = "a" * 31 + "é" * 9
    write_input(
        tmp_path,
        [{"id": 1, "text": long, "share": float("nan"), "none": None}, {"id": 2, "text": "b", "share": 1.5, "none": None}],
    )
    run(job(tmp_path), shard_bytes=1 << 20)
    (add,) = add_actions(tmp_path / "out").values()
    assert json.loads(add["stats"]) == {
        "numRecords": 2,
        "minValues": {"id": 1, "text": long[:32], "share": 1.5},
        "maxValues": {"id": 2, "text": "b"},
        "nullCount": {"id": 0, "text": 0, "share": 0, "none": 2},
    }


def test_columns_are_added_only_on_request_and_stored_with_the_types_of_the_table(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "out", pa.table({"id": pa.array([-1], pa.int32())}))
    write_input(tmp_path, [{"id": 7, "text": "a"}])
    with pytest.raises(InvalidJob, match="the table has no column text; it has id"):
        run(job(tmp_path, "append"))
    run(job(tmp_path, "append", schemaMode="merge"))
    assert rows_of(tmp_path / "out") == [{"id": -1, "text": None}, {"id": 7, "text": "a"}]
    assert {pq.read_schema(tmp_path / "out" / path).field("id").type for path in add_actions(tmp_path / "out")} == {pa.int32()}
    write_input(tmp_path, [{"id": 1 << 40}], "large")
    with pytest.raises(InvalidJob, match=r"column id \(int64\) cannot be stored as int32"):
        run(job(tmp_path, "append", "large"))


def test_tables_with_rules_that_are_not_checked_are_not_written(tmp_path: Path) -> None:
    write_input(tmp_path, [{"id": 7}])
    fields = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("text", pa.string(), nullable=False)])
    write_deltalake(tmp_path / "out", pa.table({"id": [1], "text": ["a"]}, schema=fields))
    table = DeltaTable(tmp_path / "out")
    table.alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(InvalidJob, match="allows only new rows"):
        run(job(tmp_path, "overwrite"))
    table = DeltaTable(tmp_path / "out")
    table.alter.add_constraint({"positive": "id > 0"})
    with pytest.raises(InvalidJob, match=r"has the constraint delta\.constraints\.positive"):
        run(job(tmp_path, "append"))


def test_rows_of_other_writers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer appends between the two moments at which the table is read and the version is written."""
    write_input(tmp_path)
    run(job(tmp_path))
    original = _delta_commit.Publication._added
    others = iter(range(3))

    def added(self: Any) -> Any:
        if (number := next(others, None)) is not None:
            row = pa.table({"id": [-1 - number], "text": ["x"], "lang": ["de"], "share": [0.0]})
            write_deltalake(tmp_path / "out", row, mode="append")
        return original(self)

    monkeypatch.setattr(_delta_commit.Publication, "_added", added)
    run(job(tmp_path, "append"))
    run(job(tmp_path, "overwrite"))
    run(job(tmp_path, "overwrite"))
    assert [row["id"] for row in rows_of(tmp_path / "out")] == [-3, *range(90)]


def test_partitions_that_another_writer_replaces_at_the_same_time_are_replaced_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path)
    run(job(tmp_path, partitionBy=["lang"]))
    original = _delta_commit.Publication._removed
    others = iter(range(1))

    def removed(self: Any, table: Any) -> Any:
        found = original(self, table)
        if next(others, None) is not None:
            other = pa.table({"id": [-1], "text": ["x"], "lang": ["de"], "share": [0.0]})
            write_deltalake(tmp_path / "out", other, mode="overwrite", predicate="lang = 'de'")
        return found

    monkeypatch.setattr(_delta_commit.Publication, "_removed", removed)
    run(job(tmp_path, "overwrite", overwrite="partitions"))
    assert rows_of(tmp_path / "out") == ROWS


def test_a_table_that_another_writer_creates_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    original = _delta_commit.Publication._create

    def create(self: Any) -> str:
        write_deltalake(tmp_path / "out", pa.table({"id": [1]}))
        return original(self)

    monkeypatch.setattr(_delta_commit.Publication, "_create", create)
    with pytest.raises(SinkError, match="another writer has created the Delta table"):
        run(job(tmp_path))
    assert rows_of(tmp_path / "out") == [{"id": 1}]


def test_deletion_vectors_of_replaced_files_are_respected(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path))
    delete_rows(tmp_path / "out", next(iter(add_actions(tmp_path / "out"))), [0])
    assert len(rows_of(tmp_path / "out")) == len(ROWS) - 1
    run(job(tmp_path, "overwrite"))
    assert rows_of(tmp_path / "out") == ROWS
    removed = [
        json.loads(line)["remove"] for line in log_file(tmp_path / "out", 2).read_text().splitlines() if "remove" in line
    ]
    assert sum("deletionVector" in one and one["deletionVector"] is not None for one in removed) == 1


def test_results_without_rows(tmp_path: Path) -> None:
    write_input(tmp_path, [])
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "in" / "empty.parquet")
    run(job(tmp_path))
    assert DeltaTable(tmp_path / "out").schema().fields[0].name == "id"
    run(job(tmp_path, "append"))
    write_deltalake(tmp_path / "out", pa.table({"id": [1]}), mode="append")
    run(job(tmp_path, "overwrite"))
    assert rows_of(tmp_path / "out") == []


def test_files_of_a_superseded_run_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    with pytest.raises(Killed), killed_at(1, _delta_commit.Publication, monkeypatch):
        run(job(tmp_path), run_id="first")
    run(job(tmp_path), run_id="second")
    folders = [path.name for path in (tmp_path / "out").glob("data-*")]
    assert folders == [DeltaWriter.prefix_of("second").rstrip("/")]
    assert run(job(tmp_path), run_id="second").output is not None  # a retry of the controller
    assert rows_of(tmp_path / "out") == ROWS


def test_plain_files_are_not_written_into_a_table(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path))
    for mode in ("error", "append", "overwrite"):
        with pytest.raises(SinkError, match="contains a Delta table"):
            run(make_job(tmp_path / "in", tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": mode}}))
    assert rows_of(tmp_path / "out") == ROWS


def test_an_unknown_feature_of_the_table_is_refused_before_data_is_read(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path))
    commit(tmp_path / "out", protocol("somethingNew"))
    with pytest.raises(DataJobError, match="somethingNew"):
        run(job(tmp_path, "append"))


@pytest.mark.parametrize(
    "feature",
    ["allowColumnDefaults", "clustering", "icebergCompatV2", "inCommitTimestamp", "materializePartitionColumns", "rowTracking"],
)
def test_a_feature_that_concerns_only_writers_is_refused_by_them(feature: str, tmp_path: Path) -> None:
    write_input(tmp_path, [{"id": 1}])
    run(job(tmp_path))
    commit(tmp_path / "out", {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [feature]}})
    assert [file.size > 0 for file in DeltaReader(path=str(tmp_path / "out")).files()] == [True]
    with pytest.raises(InvalidJob, match=f"uses the feature {feature}, which is not supported, so it cannot be written"):
        run(job(tmp_path, "append"))


def test_a_table_is_read_and_written_by_one_job(tmp_path: Path) -> None:
    write_input(tmp_path)
    run(job(tmp_path, partitionBy=["lang"]))
    source = {"delta": {"path": str(tmp_path / "out"), "where": "lang = 'de'"}}
    sink = {"delta": {"path": str(tmp_path / "german")}}
    report = run(make_job(tmp_path, tmp_path, [{"filter": {"where": "id > 10"}}], sources=[source], sink=sink))
    assert rows_of(tmp_path / "german") == [row for row in ROWS if row["lang"] == "de" and row["id"] > 10]
    assert report.progress.rows_in == 30


@pytest.mark.s3
def test_a_table_on_s3_is_written_and_read(tmp_path: Path, bucket: str) -> None:
    write_input(tmp_path)
    for mode in ("error", "append", "overwrite"):
        sink = {"delta": {"path": f"{bucket}/lake/t", "mode": mode, "partitionBy": ["lang"]}}
        run(make_job(tmp_path / "in", tmp_path / "out", sink=sink))
    source = {"delta": {"path": f"{bucket}/lake/t", "where": "lang IS NOT NULL"}}
    run(make_job(tmp_path, tmp_path / "back", sources=[source]))
    assert sorted(read_manifest(tmp_path / "back"), key=lambda row: row["id"]) == [row for row in ROWS if row["lang"]]
    old = {"delta": {"path": f"{bucket}/lake/t", "version": 1, "columns": ["id"]}}
    assert run(make_job(tmp_path, tmp_path / "old", sources=[old])).progress.rows_in == 2 * len(ROWS)


@pytest.mark.s3
def test_wrong_credentials_are_an_error_of_the_sink(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_input(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(DataJobError, match="credentials are invalid"):
        run(make_job(tmp_path / "in", tmp_path / "out", sink={"delta": {"path": f"{bucket}/t"}}))
