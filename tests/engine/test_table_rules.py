"""Rules of existing tables for values inside of columns, which every sink of tables respects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("deltalake")
pytest.importorskip("pyiceberg")
pytest.importorskip("lance")

import lance
from deltalake import DeltaTable, Schema

from datajob.errors import InvalidJob
from tests.support.iceberg import catalog, properties
from tests.support.local_jobs import make_job, run

REQUIRED = pa.field("x", pa.int64(), nullable=False)
ITEM = pa.field("element", pa.int64(), nullable=False)


def delta(folder: Path, schema: pa.Schema) -> dict[str, Any]:
    DeltaTable.create(folder / "out", Schema.from_arrow(schema))
    return {"delta": {"path": str(folder / "out"), "mode": "append", "schemaMode": "merge"}}


def iceberg(folder: Path, schema: pa.Schema) -> dict[str, Any]:
    catalog(folder).create_table("lake.t", schema=schema)
    place = {"table": "lake.t", "catalog": properties(folder)}
    return {"iceberg": {**place, "path": str(folder / "out"), "mode": "append", "schemaMode": "merge"}}


def of_lance(folder: Path, schema: pa.Schema) -> dict[str, Any]:
    lance.write_dataset(schema.empty_table(), folder / "out", schema=schema, data_storage_version="2.2")
    return {"lance": {"path": str(folder / "out"), "mode": "append", "schemaMode": "merge"}}


def write(folder: Path, create: Callable[[Path, pa.Schema], dict[str, Any]], kind: Any, values: pa.Array) -> None:
    (folder / "in").mkdir()
    pq.write_table(pa.table({"id": range(len(values)), "c": values}), folder / "in/a.parquet")
    sink = create(folder, pa.schema([("id", pa.int64()), ("c", kind)]))
    run(make_job(folder / "in", folder / "out", sink=sink))


TABLES = pytest.mark.parametrize("create", [delta, iceberg, of_lance], ids=["delta", "iceberg", "lance"])


@TABLES
@pytest.mark.parametrize(
    ("kind", "values", "member"),
    [
        (pa.struct([("x", pa.int64())]), [{"x": 1, "y": 2}], r"c\.y"),
        (pa.list_(pa.struct([("x", pa.int64())])), [[{"x": 1, "y": None}]], r"c\.y"),
        (pa.struct([("s", pa.struct([("x", pa.int64())]))]), [{"s": {"y": 1}}], r"c\.s\.y"),
    ],
)
def test_members_that_a_table_does_not_have_are_refused(
    create: Callable[[Path, pa.Schema], dict[str, Any]], kind: Any, values: list[Any], member: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidJob, match=f"the table has no member {member}, so its values would be lost"):
        write(tmp_path, create, kind, pa.array(values))


@TABLES
@pytest.mark.parametrize(
    ("kind", "values", "allowed"),
    [
        (pa.struct([REQUIRED]), pa.array([{"x": 1}, None]), True),
        (pa.struct([REQUIRED]), pa.array([{"x": 1}, {"x": None}]), False),
        (pa.struct([REQUIRED, ("z", pa.int64())]), pa.array([{"z": 1}]), False),
        (pa.list_(ITEM), pa.array([[1], [], None]), True),
        (pa.list_(ITEM), pa.array([[1, None]]), False),
        (pa.list_(pa.field("element", pa.struct([REQUIRED]))), pa.array([[{"x": 1}, None, {"x": None}]]), False),
        (pa.map_(pa.string(), ITEM.with_name("value")), pa.array([[("a", None)]], pa.map_(pa.string(), pa.int64())), False),
    ],
)
def test_nulls_that_a_table_does_not_allow_are_refused(
    create: Callable[[Path, pa.Schema], dict[str, Any]], kind: Any, values: pa.Array, allowed: bool, tmp_path: Path
) -> None:
    if allowed and not (create is of_lance and pa.types.is_struct(kind)):  # pyarrow does not cast such a null
        return write(tmp_path, create, kind, values)
    with pytest.raises(InvalidJob, match=r"null"):
        write(tmp_path, create, kind, values)
    return None


def test_names_that_differ_in_case_are_refused_by_delta(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": [1], "ID": [2]}), tmp_path / "in/a.parquet")
    sink = {"delta": {"path": str(tmp_path / "out")}}
    with pytest.raises(InvalidJob, match="the columns id and ID have the same name for Delta"):
        run(make_job(tmp_path / "in", tmp_path / "out", sink=sink))
