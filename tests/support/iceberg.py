"""Iceberg tables as other engines write them: with positional and equality deletes."""

import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate
from pyiceberg.typedef import Record


def properties(folder: Path) -> dict[str, str]:
    """A catalog in a file of SQLite."""
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


def catalog(folder: Path) -> Catalog:
    """The catalog, with the namespace `lake`."""
    found = load_catalog("default", **properties(folder))
    found.create_namespace_if_not_exists("lake")
    return found


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def delete_positions(table: Table, rows: Sequence[tuple[str, int]]) -> None:
    """Delete rows by the path of their file and their position."""
    path = f"{table.location()}/data/deletes-{uuid.uuid4()}.parquet"
    positions = pa.table({"file_path": [path for path, _ in rows], "pos": pa.array([pos for _, pos in rows], pa.int64())})
    pq.write_table(positions, path.removeprefix("file://"))
    add_deletes(table, path, DataFileContent.POSITION_DELETES, FileFormat.PARQUET, len(rows))


def add_deletes(table: Table, path: str, content: DataFileContent, kind: FileFormat, rows: int) -> None:
    """Add a file of deletes to a table without partitions, in a snapshot of its own."""
    table.refresh()
    parent = table.current_snapshot()
    assert parent is not None
    number, sequence = uuid.uuid4().int >> 65, table.metadata.next_sequence_number()
    folder = f"{table.location()}/metadata"
    file = DataFile.from_args(
        content=content,
        file_path=path,
        file_format=kind,
        partition=Record(),
        record_count=rows,
        file_size_in_bytes=1,
        equality_ids=[1] if content == DataFileContent.EQUALITY_DELETES else None,
        spec_id=0,
    )
    entry = ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=number, data_file=file)
    output = table.io.new_output(f"{folder}/{uuid.uuid4()}.avro")
    with _DeleteManifest(table.spec(), table.schema(), output, number, "null") as writer:
        writer.add_entry(entry)
    deletes = writer.to_manifest_file()
    listing = f"{folder}/snap-{number}.avro"
    with write_manifest_list(2, table.io.new_output(listing), number, parent.snapshot_id, sequence, "null") as manifests:
        manifests.add_manifests([*parent.manifests(table.io), deletes])
    snapshot = Snapshot(
        snapshot_id=number,
        parent_snapshot_id=parent.snapshot_id,
        sequence_number=sequence,
        timestamp_ms=int(time.time() * 1000),
        manifest_list=listing,
        summary=Summary(Operation.DELETE),
        schema_id=table.metadata.current_schema_id,
    )
    updates = (AddSnapshotUpdate(snapshot=snapshot), SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=number))
    table.catalog.commit_table(table, (), updates)
    table.refresh()
