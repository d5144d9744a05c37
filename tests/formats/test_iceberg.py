"""The source and the sink `iceberg`: snapshots, partitions, deletes, renamed columns, and catalogs."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyiceberg")

from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from pyiceberg.types import StringType

from datajob.errors import InputError, InvalidJob, StorageUnavailable
from datajob.formats.base import InputFile
from datajob.formats.iceberg import IcebergReader, IcebergWriter
from tests.support.iceberg import add_deletes, catalog, delete_positions, properties

UTC = dt.UTC
PARTITIONS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "day": [dt.date(2020, 1, 1), dt.date(2020, 1, 2), None],
        "moment": pa.array([dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
        "number": pa.array([1, None, 3], pa.int32()),
        "flag": [True, False, None],
        "name": ["ü /", "b=%20", None],
        "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(10, 2)),
    }
)


def make(folder: Path, *parts: pa.Table, partition_by: tuple[str, ...] = ()) -> Table:
    """A table with one snapshot for each part."""
    table = catalog(folder).create_table("lake.t", schema=parts[0].schema)
    if partition_by:
        with table.update_spec() as spec:
            for name in partition_by:
                spec.add_identity(name)
    for part in parts:
        table.append(part)
    return table


def numbers(start: int, stop: int) -> pa.Table:
    return pa.table({"id": pa.array(range(start, stop), pa.int64())})


def reader(folder: Path, **parameters: Any) -> IcebergReader:
    return IcebergReader(table="lake.t", catalog=properties(folder), **parameters)


def read(source: IcebergReader, files: list[InputFile] | None = None) -> pa.Table:
    files = source.files() if files is None else files
    schema = source.schema(files)
    tables = [
        table
        for file in files
        for fragment in source.fragments(file, 1 << 20)
        for table in source.read(fragment, schema, 1 << 20, lambda record, reason: pytest.fail(reason))
    ]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by("id").to_pylist()


def ids(source: IcebergReader) -> list[int]:
    return sorted(read(source).column("id").to_pylist())


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("partitioned")
    make(folder, PARTITIONS, partition_by=tuple(PARTITIONS.column_names[1:]))
    return folder


def test_every_type_of_partition_is_read(partitioned: Path) -> None:
    table = read(reader(partitioned))
    assert table.schema == PARTITIONS.schema
    assert rows(table) == rows(PARTITIONS)


@pytest.mark.parametrize(
    ("where", "found"),
    [("day >= '2020-01-02'", [2]), ("name IS NULL", [3]), ("number = 1 OR NOT flag", [1, 2]), ("moment < '2020-06-01'", [1])],
)
def test_a_condition_chooses_partitions(where: str, found: list[int], partitioned: Path) -> None:
    assert ids(reader(partitioned, where=where)) == found


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"where": "id > 1"}, InvalidJob, "only partition columns: day"),
        ({"columns": ["nmae"]}, InputError, "has no column nmae; did you mean name"),
        ({"snapshot_id": 7}, InputError, "has no snapshot 7"),
        ({"timestamp": "2001-01-01T00:00:00Z"}, InputError, "has no snapshot 2001"),
        ({"ref": "nightly"}, InputError, "has no snapshot nightly"),
    ],
)
def test_parameters_that_the_table_does_not_allow_are_refused(
    parameters: dict[str, Any], error: type[Exception], message: str, partitioned: Path
) -> None:
    with pytest.raises(error, match=message):
        read(reader(partitioned, **parameters))


def test_a_snapshot_a_time_and_a_ref_choose_what_is_read(tmp_path: Path) -> None:
    table = make(tmp_path, numbers(0, 3), numbers(3, 6))
    first, second = table.metadata.snapshots
    table.manage_snapshots().create_tag(first.snapshot_id, "old").commit()
    for choice in ({"snapshot_id": first.snapshot_id}, {"ref": "old"}):
        assert ids(reader(tmp_path, **choice)) == [0, 1, 2]
    at = dt.datetime.fromtimestamp((second.timestamp_ms + 10) / 1000, UTC)
    assert ids(reader(tmp_path, timestamp=at)) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="set one of"):
        reader(tmp_path, ref="old", snapshot_id=1)


def test_positional_deletes_are_applied(tmp_path: Path) -> None:
    table = make(tmp_path, numbers(0, 100), numbers(100, 200))
    before = reader(tmp_path).files()
    first, second = before[0].path, before[1].path
    delete_positions(table, [(first, 0), (first, 99), (second, 5)])
    delete_positions(table, [(first, 0), (first, 50)])
    source = reader(tmp_path)
    assert ids(source) == sorted(table.scan().to_arrow().column("id").to_pylist())
    assert len(ids(source)) == 196
    files = source.files()
    assert sum(source.count(part) or 0 for file in files for part in source.fragments(file, 1)) == 196
    assert all(old.version != new.version for old, new in zip(before, files, strict=True))


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (DataFileContent.EQUALITY_DELETES, FileFormat.PARQUET, "equality delet"),
        (DataFileContent.POSITION_DELETES, FileFormat.PUFFIN, "deletion vectors"),
    ],
)
def test_deletes_that_are_not_supported_are_refused(
    content: DataFileContent, kind: FileFormat, message: str, tmp_path: Path
) -> None:
    table = make(tmp_path, numbers(0, 3))
    add_deletes(table, f"{table.location()}/data/deletes", content, kind, 1)
    with pytest.raises(InputError, match=f"(?i){message}"):
        reader(tmp_path).files()


def test_missing_files_are_errors(tmp_path: Path) -> None:
    table = make(tmp_path, numbers(0, 3))
    source = reader(tmp_path)
    files = source.files()
    delete_positions(table, [(files[0].path, 1)])
    again = source.files()
    for path in (Path(again[0].deletes[0].removeprefix("file://")), Path(files[0].path.removeprefix("file://"))):
        path.unlink()
    with pytest.raises(InputError, match=r"deletes-.* does not exist"):
        read(source, again)
    with pytest.raises(InputError, match=r"does not exist.*may have been deleted"):
        read(source, files)


def test_columns_are_found_by_their_ids(tmp_path: Path) -> None:
    """Renamed, deleted and added again under the same name, added, widened, and moved."""
    old = pa.table({"id": pa.array([1], pa.int32()), "a.b": [5], "a": ["old a"], "b": ["old b"], "s": [{"x": 1, "y": "z"}]})
    table = make(tmp_path, old)
    with table.update_schema() as update:
        update.rename_column("a", "c")
        update.delete_column("b")
        update.update_column("id", field_type=table.schema().find_type("id").__class__())
    with table.update_schema() as update:
        update.add_column("b", StringType())
        update.add_column("a", StringType())
        update.move_first("c")
    assert read(reader(tmp_path)).to_pylist() == [
        {"c": "old a", "id": 1, "a.b": 5, "s": {"x": 1, "y": "z"}, "b": None, "a": None}
    ]
    assert read(reader(tmp_path, columns=("a", "c"))).to_pylist() == [{"a": None, "c": "old a"}]
    before = reader(tmp_path).files()
    with table.update_schema() as update:
        update.rename_column("s.y", "w")
    assert before[0].version != reader(tmp_path).files()[0].version  # the same file has other columns
    with pytest.raises(InputError, match=r"the member s\.y has been renamed"):
        read(reader(tmp_path))
    assert ids(reader(tmp_path, columns=("id",))) == [1]


def test_files_without_ids_are_read_by_the_name_mapping(tmp_path: Path) -> None:
    table = catalog(tmp_path).create_table("lake.t", schema=pa.schema([("id", pa.int64()), ("text", pa.string())]))
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"text": ["a"], "id": [7]}), path)
    table.add_files([f"file://{path}"])
    with table.update_schema() as update:
        update.rename_column("text", "body")
    assert read(reader(tmp_path)).to_pylist() == [{"id": 7, "body": "a"}]
    with table.transaction() as transaction:
        transaction.remove_properties("schema.name-mapping.default")
    with pytest.raises(InputError, match="no field IDs, and the Iceberg table has no name mapping"):
        read(reader(tmp_path))


def test_a_condition_on_files_of_two_partitionings_is_refused(tmp_path: Path) -> None:
    table = make(tmp_path, PARTITIONS)
    with table.update_spec() as spec:
        spec.add_identity("name")
    table.append(PARTITIONS)
    assert len(read(reader(tmp_path))) == 6
    with pytest.raises(InvalidJob, match=r"partitioning of lake\.t has changed"):
        reader(tmp_path, where="name = 'x'").files()


def test_partitions_by_transforms_are_read_but_not_written(tmp_path: Path) -> None:
    some = PARTITIONS.select(["id", "moment"])
    table = catalog(tmp_path).create_table("lake.t", schema=some.schema)
    with table.update_spec() as spec:
        spec.add_field("moment", DayTransform(), "on_day")
    for row in range(2):
        pq.write_table(some.slice(row, 1), tmp_path / f"{row}.parquet")
    table.add_files([f"file://{tmp_path}/{row}.parquet" for row in range(2)])
    assert ids(reader(tmp_path, where="on_day = '2020-01-01'")) == [1]
    assert rows(read(reader(tmp_path))) == rows(some.slice(0, 2))
    with pytest.raises(InvalidJob, match=r"partitioned by day\(moment\)"):
        IcebergWriter(table="lake.t", catalog=properties(tmp_path), path=str(tmp_path), mode="append").for_run("r")


def test_empty_tables_have_their_columns(tmp_path: Path) -> None:
    catalog(tmp_path).create_table("lake.t", schema=numbers(0, 1).schema)
    source = reader(tmp_path, where="id > 1")
    assert source.files() == []
    assert source.schema([]).names == ["id"]


def test_missing_tables_and_wrong_catalogs_are_errors(tmp_path: Path) -> None:
    catalog(tmp_path)
    with pytest.raises(InputError, match=r"lake\.t: the catalog default has no such table"):
        reader(tmp_path).files()
    for wrong in ({"type": "nonsense"}, {"type": "sql"}):
        with pytest.raises(InputError, match=r"lake\.t: cannot use the Iceberg table"):
            IcebergReader(table="lake.t", catalog=wrong).files()


def test_an_unavailable_catalog_can_be_retried() -> None:
    source = IcebergReader(table="lake.t", catalog={"type": "rest", "uri": "http://127.0.0.1:9"})
    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"lake\.t: the catalog default or its storage cannot be reached"):
        source.files()
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    "key", ["token", "credential", "s3.secret-access-key", "password", "s3.session-token", "s3.access-key-id"]
)
def test_secrets_belong_to_the_environment(key: str) -> None:
    with pytest.raises(ValueError, match="contains a password"):
        IcebergReader(table="lake.t", catalog={"type": "sql", "uri": "postgresql://me:secret@host/db"})
    with pytest.raises(ValueError, match="set it in the environment"):
        IcebergReader(table="lake.t", catalog={key: "x"})


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.decimal256(50, 2), pa.struct([])], ids=str)
def test_types_that_iceberg_does_not_have_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InvalidJob, match=r"column x is .*, which Iceberg tables cannot store"):
        IcebergWriter(table="lake.t", path="t").written_schema(pa.schema([("x", kind)]))
