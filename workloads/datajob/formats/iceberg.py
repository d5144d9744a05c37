"""Tables of Iceberg."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import AwareDatetime, Field, PrivateAttr, model_validator

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats._iceberg_catalog import CatalogTable, find_table, iceberg_errors, load_table
from datajob.formats._iceberg_commit import Publication, is_published, packed_footer, partition_columns
from datajob.formats._iceberg_files import deleted_rows, identity_columns, input_files, partition_table
from datajob.formats._iceberg_schema import arrow_columns, check_defaults, declared_columns, field_ids, stored_types
from datajob.formats._parquet_read import Chosen
from datajob.formats._table_sink import ParquetTableWriter
from datajob.formats._table_source import Snapshot, TableReader, columns_id, with_partitions
from datajob.formats.base import InputFile, OutputFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.schema import Schema
    from pyiceberg.table import DataScan, FileScanTask, Table


class IcebergReader(TableReader, CatalogTable):
    """A snapshot of an Iceberg table.

    Rows in positional delete files are not read. The shards of the job are files of the snapshot, so that a run on a changed
    table reuses the results of files that are still part of the table.
    """

    chooses_files: ClassVar[frozenset[str]] = TableReader.chooses_files | {
        "table", "catalog", "catalog_name", "snapshot_id", "timestamp", "ref",
    }  # fmt: skip
    partition_in_files: ClassVar[bool] = True

    snapshot_id: int | None = Field(default=None, description="ID of the snapshot to read. By default, the current one.")
    timestamp: AwareDatetime | None = Field(
        default=None, description="Reads the snapshot that was current at this time, such as `2026-11-01T00:00:00Z`."
    )
    ref: str | None = Field(default=None, min_length=1, description="Branch or tag to read.")
    _ids: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_snapshot(self) -> IcebergReader:
        if sum(one is not None for one in (self.snapshot_id, self.timestamp, self.ref)) > 1:
            raise ValueError("set one of `snapshotId`, `timestamp` and `ref`")
        return self

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """None: the catalog has the paths."""
        return ()

    def name(self) -> str:
        """The table."""
        return self.table

    def described(self) -> str:
        """The table and its catalog."""
        return f"{self.table} in the catalog {self.catalog_name}"

    def snapshot(self) -> Snapshot:
        """The files in the metadata of the table."""
        table = load_table(self)
        with iceberg_errors(self, InputError):
            scan = self._scan(table)
            schema = scan.projection()
            check_defaults(self.table, schema, self.columns)
            self._ids = field_ids(table, schema)
            tasks = self._tasks(scan) if scan.snapshot() is not None else []
            return self._snapshot(table, schema, sorted(tasks, key=lambda task: task.file.file_path))

    def _tasks(self, scan: DataScan) -> list[FileScanTask]:
        try:
            return list(scan.plan_files())
        except (ValueError, NotImplementedError) as error:
            if "support" not in str(error):  # pyiceberg has no type for it; damaged files are ValueErrors too
                raise
            raise InputError(f"{self.table}: the Iceberg table uses a feature that is not supported: {error}.") from error

    def _scan(self, table: Table) -> DataScan:
        if self.ref is not None:
            found = table.snapshot_by_name(self.ref)
        elif self.timestamp is not None:
            found = table.snapshot_as_of_timestamp(int(self.timestamp.timestamp() * 1000))
        elif self.snapshot_id is not None:
            found = table.snapshot_by_id(self.snapshot_id)
        else:
            return table.scan()
        if found is None:
            wanted = self.ref or self.timestamp or self.snapshot_id
            raise InputError(f"{self.table}: the Iceberg table has no snapshot {wanted}; it may have been expired.")
        return table.scan(snapshot_id=found.snapshot_id)

    def _snapshot(self, table: Table, schema: Schema, tasks: Sequence[FileScanTask]) -> Snapshot:
        files = input_files(self.table, tasks)
        found: dict[str, InputFile] = {}
        partitions = None
        for spec_id in dict.fromkeys(task.file.spec_id for task in tasks):
            numbers = [number for number, task in enumerate(tasks) if task.file.spec_id == spec_id]
            spec = table.specs()[spec_id]
            partitions = partition_table([tasks[number].file for number in numbers], spec, table.schema())
            values = identity_columns(partitions, spec, table.schema())
            sources = {table.schema().find_column_name(field.source_id) or "" for field in spec.fields}
            self._ids = replace(self._ids, in_files=self._ids.in_files | (sources - {*values.column_names}))
            found |= {file.path: file for file in with_partitions([files[number] for number in numbers], values)}
        ordered = [found[file.path] for file in files]
        same = partitions if partitions is not None and len(partitions) == len(files) else None
        columns = arrow_columns(schema)
        return Snapshot(columns, ordered, same, columns_id(str(columns), self._ids))

    def deleted(self, file: InputFile) -> Any:
        """The positions in its delete files."""
        return deleted_rows(file) if file.deletes else None

    def choose(self, path: str, of_file: pa.Schema, names: Sequence[str]) -> Chosen:
        """Columns are found by their IDs, so that they can be renamed."""
        found = self._ids.names(path, of_file, names)
        if missing := self._ids.in_files & {*names} - {*found.values()}:
            raise InputError(f"{path}: lacks the partition column {min(missing)}, whose type is not supported there.")
        return Chosen(of_file, tuple(found), tuple(found.values()))


class IcebergWriter(ParquetTableWriter, CatalogTable):
    """An Iceberg table. The rows of a run become visible in one commit.

    A table that does not exist is created with `path` as its location. Tables can be partitioned by values of columns, not by
    transforms such as `day`.
    """

    partition_in_files: ClassVar[bool] = True

    def existing_schema(self) -> pa.Schema | None:
        """The columns of the table, or None if it does not exist."""
        if "#" in self.path or "?" in self.path:
            raise InvalidJob(f"sink.iceberg: pyiceberg does not support `#` and `?` in the path of a table ({self.path}).")
        table = find_table(self, SinkError)
        if table is None:
            return None
        if table.metadata.format_version > 2:
            raise InvalidJob(f"{self.table}: tables of the format version {table.metadata.format_version} cannot be written.")
        return declared_columns(table.schema())

    def existing_partitions(self) -> tuple[str, ...] | None:
        """The partition columns of the table, or None if it does not exist."""
        table = find_table(self, SinkError)
        return None if table is None else partition_columns(self.table, table)

    def table_types(self, schema: pa.Schema) -> pa.Schema:
        """Types of Iceberg."""
        return stored_types(schema)

    def check_partition(self, name: str, kind: pa.DataType) -> None:
        """Not floating-point numbers either."""
        import pyarrow as pa

        super().check_partition(name, kind)
        if pa.types.is_floating(kind):
            raise InvalidJob(f"sink.iceberg: column {name} in `partitionBy` is {kind}. Convert it to a decimal or an integer.")

    def file_stats(self, footer: pq.FileMetaData) -> dict[str, Any]:
        """The footer."""
        return packed_footer(footer)

    def published(self, run_id: str) -> bool:
        """Whether a snapshot or the properties of the table contain the run."""
        table = find_table(self, SinkError)
        return table is not None and is_published(table, run_id)

    def publish(self, files: Sequence[OutputFile], schema: pa.Schema | None) -> str:
        """Commit the files in one commit."""
        return Publication(
            self,
            self.path,
            self._run,
            self.mode,
            self.mode == "overwrite" and self.overwrite == "partitions",
            self.schema_mode == "merge",
            files,
            schema,
            self.partition_by or (),
        ).commit()
