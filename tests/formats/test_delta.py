"""The source and the sink `delta`: versions, partitions, deletion vectors, features, and damaged tables."""

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("deltalake")

from deltalake import DeltaTable, write_deltalake

from datajob.errors import InputError, InvalidJob, StorageUnavailable
from datajob.formats.base import InputFile
from datajob.formats.delta import DeltaReader, DeltaWriter
from tests.support.delta import add_actions, commit, delete_rows, log_file, protocol

UTC = dt.UTC
ALL_PARTITIONS = pa.table(
    {
        "id": [1, 2, 3],
        "day": [dt.date(2020, 1, 1), dt.date(2020, 1, 2), None],
        "moment": pa.array(
            [dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2021, 1, 1, 2, 3, 4, 5, UTC), None], pa.timestamp("us", "UTC")
        ),
        "number": pa.array([1, None, 3], pa.int32()),
        "flag": [True, False, None],
        "share": [1.5, 2.0, None],
        "name": ["ü /", "b=%20", None],
        "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(10, 2)),
    }
)


def read(reader: DeltaReader, files: list[InputFile] | None = None) -> pa.Table:
    files = reader.files() if files is None else files
    schema = reader.schema(files)
    tables = [
        table
        for file in files
        for fragment in reader.fragments(file, 1 << 20)
        for table in reader.read(fragment, schema, 1 << 20, lambda record, reason: pytest.fail(reason))
    ]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by("id").to_pylist()


def numbers(folder: Path, versions: int = 1, size: int = 10) -> Path:
    for version in range(versions):
        write_deltalake(folder, pa.table({"id": range(version * size, (version + 1) * size)}), mode="append")
    return folder


def test_every_type_of_partition_is_read(tmp_path: Path) -> None:
    write_deltalake(tmp_path, ALL_PARTITIONS, partition_by=ALL_PARTITIONS.column_names[1:])
    table = read(DeltaReader(path=str(tmp_path)))
    assert table.schema == ALL_PARTITIONS.schema
    assert rows(table) == rows(ALL_PARTITIONS)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("day >= '2020-01-02'", [2]),
        ("name IS NULL", [3]),
        ("number = 1 OR NOT flag", [1, 2]),
        ("share > 1.5", [2]),
        ("moment < '2020-06-01'", [1]),
    ],
)
def test_a_condition_chooses_partitions(where: str, ids: list[int], tmp_path: Path) -> None:
    write_deltalake(tmp_path, ALL_PARTITIONS, partition_by=ALL_PARTITIONS.column_names[1:])
    assert [row["id"] for row in rows(read(DeltaReader(path=str(tmp_path), where=where)))] == ids


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"where": "id > 1"}, InvalidJob, "only partition columns: name"),
        ({"where": "name"}, InvalidJob, "where"),
        ({"where": "name ="}, InvalidJob, "where: Parser Error"),
        ({"where": "name IN (SELECT content FROM read_text('/etc/hostname'))"}, InvalidJob, "where"),
        ({"columns": ["nmae"]}, InputError, "has no column nmae; did you mean name"),
        ({"include_path": "id"}, InputError, "already has a column id"),
        ({"version": 7}, InputError, "has no version 7; the latest is 0"),
        ({"timestamp": "2001-01-01T00:00:00Z"}, InputError, "has no version at 2001"),
    ],
)
def test_parameters_that_the_table_does_not_allow_are_refused(
    parameters: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1], "name": ["a"]}), partition_by=["name"])
    with pytest.raises(error, match=message):
        read(DeltaReader(path=str(tmp_path), **parameters))


def test_a_version_and_a_time_choose_what_is_read(tmp_path: Path) -> None:
    numbers(tmp_path, versions=3)
    for version in range(3):
        at = dt.datetime(2020, 1, 1 + version, tzinfo=UTC)
        os.utime(log_file(tmp_path, version), (at.timestamp(), at.timestamp()))
    for version in range(3):
        at = dt.datetime(2020, 1, 1 + version, 12, tzinfo=UTC)
        for choice in ({"version": version}, {"timestamp": at}):
            found = read(DeltaReader(path=str(tmp_path), **choice))
            assert [row["id"] for row in rows(found)] == list(range(10 * (version + 1)))
    with pytest.raises(ValueError, match="not both"):
        DeltaReader(path=str(tmp_path), version=1, timestamp=at)


def test_times_in_commits_take_precedence_over_those_of_files(tmp_path: Path) -> None:
    """As after a table was copied."""
    numbers(tmp_path, versions=4)
    meta = json.loads(log_file(tmp_path, 0).read_text().splitlines()[2])["metaData"]
    on = {"metaData": {**meta, "configuration": {"delta.enableInCommitTimestamps": "true"}}}
    writers = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]}}
    for version in range(1, 4):
        at = dt.datetime(2020, 1, version, tzinfo=UTC).timestamp() * 1000
        actions = [*log_file(tmp_path, version).read_text().splitlines(), *map(json.dumps, [writers, on])]
        kept = [action for action in actions if "commitInfo" not in action]
        first = json.dumps({"commitInfo": {"inCommitTimestamp": int(at), "timestamp": int(at)}})
        log_file(tmp_path, version).write_text("\n".join([first, *kept]) + "\n")
    for version in range(1, 4):
        found = read(DeltaReader(path=str(tmp_path), timestamp=dt.datetime(2020, 1, version, 12, tzinfo=UTC)))
        assert found.num_rows == 10 * (version + 1)
    with pytest.raises(InputError, match="version 0 of the Delta table has no time of its commit"):
        DeltaReader(path=str(tmp_path), timestamp=dt.datetime(2019, 1, 1, tzinfo=UTC)).files()


def test_names_of_columns_that_differ_in_case_are_equal(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1], "Text": ["a"]}))
    path = tmp_path / next(iter(add_actions(tmp_path)))
    pq.write_table(pa.table({"ID": [1], "Text": ["b"], "text": ["c"]}), path)
    assert read(DeltaReader(path=str(tmp_path))).to_pylist() == [{"id": 1, "Text": "b"}]


def test_columns_that_were_added_are_null_in_older_files(tmp_path: Path) -> None:
    numbers(tmp_path)
    write_deltalake(tmp_path, pa.table({"id": [10], "text": ["a"]}), mode="append", schema_mode="merge")
    reader = DeltaReader(path=str(tmp_path), columns=("text", "id"), include_path="file")
    table = rows(read(reader))
    assert [(row["id"], row["text"]) for row in table] == [*((i, None) for i in range(10)), (10, "a")]
    assert read(DeltaReader(path=str(tmp_path), columns=("text",))).column("text").to_pylist().count(None) == 10
    assert {str(tmp_path / path) for path in add_actions(tmp_path)} == {row["file"] for row in table}


def test_rows_of_deletion_vectors_are_not_read(tmp_path: Path) -> None:
    """Also after a checkpoint, in older versions, with vectors in the log and in files, and by ranges of row groups."""
    numbers(tmp_path, versions=2, size=100)
    first, second = add_actions(tmp_path)
    delete_rows(tmp_path, first, [0, 5, 99])
    delete_rows(tmp_path, second, [1], inline=True)
    DeltaTable(tmp_path).create_checkpoint()
    delete_rows(tmp_path, first, [0, 5, 50, 99])
    gone = {1: set(), 2: {0, 5, 99}, 3: {0, 5, 99, 101}, 4: {0, 5, 50, 99, 101}}
    for version, deleted in gone.items():
        reader = DeltaReader(path=str(tmp_path), version=version)
        table = read(reader)
        assert {row["id"] for row in rows(table)} == set(range(200)) - deleted
        oracle = pa.table(DeltaTable(tmp_path, version=version).scan().read_all())
        assert rows(table) == rows(oracle)
        assert sum(reader.count(part) or 0 for file in reader.files() for part in reader.fragments(file, 1)) == 200 - len(
            deleted
        )
    versions = [{file.path: file.version for file in DeltaReader(path=str(tmp_path), version=v).files()} for v in (3, 4)]
    assert [versions[0][str(tmp_path / path)] == versions[1][str(tmp_path / path)] for path in (first, second)] == [False, True]


def test_deleted_rows_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    numbers(tmp_path)
    table = pa.table({"id": range(40), "text": pa.array([b"\xff" if i == 30 else b"a" for i in range(40)]).view(pa.string())})
    pq.write_table(table, tmp_path / "odd.parquet", row_group_size=7)
    add = {
        "path": "odd.parquet",
        "partitionValues": {},
        "size": (tmp_path / "odd.parquet").stat().st_size,
        "modificationTime": 1,
        "dataChange": True,
    }
    schema = json.dumps(
        {
            "type": "struct",
            "fields": [
                {"name": name, "type": kind, "nullable": True, "metadata": {}}
                for name, kind in (("id", "long"), ("text", "string"))
            ],
        }
    )
    meta = {
        "id": "x",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": {},
    }
    commit(tmp_path, {"metaData": meta}, {"add": add})
    delete_rows(tmp_path, "odd.parquet", [0, 29, 39])
    reader, bad = DeltaReader(path=str(tmp_path)), []
    file = next(file for file in reader.files() if file.path.endswith("odd.parquet"))
    schema = reader.schema([file])
    parts = [
        reader.read(fragment, schema, 100, lambda record, reason: bad.append(reason)) for fragment in reader.fragments(file, 1)
    ]
    assert [row["id"] for part in parts for table in part for row in table.to_pylist()] == [
        i for i in range(40) if i not in (0, 29, 30, 39)
    ]
    assert len(bad) == 1 and "row 30: column text: not valid UTF-8" in bad[0]


@pytest.mark.parametrize("damage", ["cut", "checksum", "missing", "cardinality"])
def test_a_damaged_deletion_vector_is_an_error(damage: str, tmp_path: Path) -> None:
    path = next(iter(add_actions(numbers(tmp_path))))
    version = delete_rows(tmp_path, path, [1, 2])
    (file,) = tmp_path.glob("*.bin")
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "cardinality":
        log = log_file(tmp_path, version)
        log.write_text(log.read_text().replace('"cardinality": 2', '"cardinality": 3'))
    else:
        file.write_bytes(data[:-6] if damage == "cut" else data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    with pytest.raises(InputError, match=r"deletion vector|deletion_vector.*does not exist|list of deleted rows is damaged"):
        read(DeltaReader(path=str(tmp_path)))


@pytest.mark.parametrize("feature", ["columnMapping", "somethingNew", "variantType"])
def test_unknown_features_are_refused_by_name(feature: str, tmp_path: Path) -> None:
    meta = json.loads(log_file(numbers(tmp_path), 0).read_text().splitlines()[2])["metaData"]
    mapped = {"metaData": {**meta, "configuration": {"delta.columnMapping.mode": "name"}}}
    commit(tmp_path, protocol(feature), *([mapped] if feature == "columnMapping" else []))
    with pytest.raises(InputError, match=feature):
        read(DeltaReader(path=str(tmp_path)))


def test_missing_tables_and_files_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(InputError, match="is not a Delta table"):
            DeltaReader(path=str(path)).files()
    path = next(iter(add_actions(numbers(tmp_path / "t"))))
    reader = DeltaReader(path=str(tmp_path / "t"))
    files = reader.files()
    (tmp_path / "t" / path).unlink()
    with pytest.raises(InputError, match=r"does not exist.*may have been deleted"):
        read(reader, files)


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    DeltaTable(numbers(tmp_path)).delete()
    reader = DeltaReader(path=str(tmp_path))
    assert reader.files() == []
    assert reader.schema([]).names == ["id"]


def test_an_unavailable_store_can_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.formats._delta_table._RETRIES", {"max_retries": "0"})
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        DeltaReader(path="s3://bucket/table").files()


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.duration("s"), pa.decimal256(50, 2), pa.struct([])], ids=str)
def test_types_that_delta_does_not_have_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InvalidJob, match=r"column x is .*, which Delta tables cannot store"):
        DeltaWriter(path="t").written_schema(pa.schema([("x", kind)]))
