"""Iceberg tables with damaged metadata, and with features of format versions that are not or not completely supported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg")

from pyiceberg.table import Table

from datajob.errors import InputError
from datajob.formats.iceberg import IcebergReader
from tests.support.iceberg import catalog, properties
from tests.support.rows import read


def make(folder: Path) -> Table:
    rows = pa.table({"id": [1, 2], "item": [{"x": 1}, None]})
    table = catalog(folder).create_table("lake.t", schema=rows.schema)
    table.append(rows)
    return table


def rows_of(folder: Path, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(IcebergReader(table="lake.t", catalog=properties(folder), **parameters)).to_pylist()
    return found


def part(table: Table, kind: str) -> Path:
    """A file of the metadata of a table."""
    snapshot = table.current_snapshot()
    assert snapshot is not None
    lists = {"metadata": table.metadata_location, "list": snapshot.manifest_list}
    found = lists[kind] if kind in lists else snapshot.manifests(table.io)[0].manifest_path
    return Path(found.removeprefix("file://"))


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "missing"])
@pytest.mark.parametrize("kind", ["metadata", "list", "manifest"])
def test_damaged_metadata_is_an_error(kind: str, damage: str, tmp_path: Path) -> None:
    path = part(make(tmp_path), kind)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": data[:-20], "other": b"x" * len(data)}[damage])
    with pytest.raises(InputError, match=r"lake\.t: cannot use the Iceberg table"):
        rows_of(tmp_path)


def edit(table: Table, change: Callable[[dict[str, Any]], None]) -> None:
    path = part(table, "metadata")
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))


def with_column(kind: str, **more: Any) -> Callable[[dict[str, Any]], None]:
    """Adds a column of format version 3."""

    def change(metadata: dict[str, Any]) -> None:
        metadata |= {"format-version": 3, "next-row-id": 2, "last-column-id": 99}
        metadata["schemas"][0]["fields"].append({"id": 99, "name": "new", "required": False, "type": kind, **more})

    return change


def with_member(metadata: dict[str, Any]) -> None:
    """Adds a member with a default value."""
    metadata |= {"format-version": 3, "next-row-id": 2, "last-column-id": 99}
    member = {"id": 99, "name": "y", "required": False, "type": "int", "initial-default": 7}
    metadata["schemas"][0]["fields"][1]["type"]["fields"].append(member)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_column("int", **{"initial-default": 7}), "column new of the Iceberg table has a default value"),
        (with_member, r"column item\.y of the Iceberg table has a default value"),
        (with_column("variant"), "variant"),
        (with_column("geometry(srid:4326)"), "geometry"),
        (lambda metadata: metadata.update({"format-version": 4}), "version"),
    ],
)
def test_features_that_are_not_supported_are_refused(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    edit(make(tmp_path), change)
    with pytest.raises(InputError, match=message):
        rows_of(tmp_path)


def test_a_default_value_of_another_column_does_not_matter(tmp_path: Path) -> None:
    edit(make(tmp_path), with_member)
    assert rows_of(tmp_path, columns=("id",)) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("kind", ["timestamp_ns", "timestamptz_ns", "unknown"])
def test_new_types_are_null_in_older_files(kind: str, tmp_path: Path) -> None:
    edit(make(tmp_path), with_column(kind))
    assert [row["new"] for row in rows_of(tmp_path)] == [None, None]
