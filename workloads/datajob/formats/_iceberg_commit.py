"""Add finished files to an Iceberg table in one commit, exactly once."""

from __future__ import annotations

import random
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats._columns import HIVE_NULL
from datajob.formats._iceberg_catalog import CatalogTable, find_table, iceberg_errors, load_catalog
from datajob.formats._iceberg_schema import arrow_columns
from datajob.formats._text_cast import text_as
from datajob.formats.base import OutputFile
from datajob.formats.storage import join, resolve, scheme_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata

ATTEMPTS = 20
"""Number of commits that are tried while other writers commit changes that conflict."""
RUN = "datajob.run"
"""The ID of a run, in the summary of its snapshot and in the properties of the table."""
MAPPING = "schema.name-mapping.default"


@dataclass(frozen=True)
class Publication:
    """The result of a run that becomes a part of a table."""

    place: CatalogTable
    path: str
    run_id: str
    mode: str
    partitions_only: bool
    """Replace only the partitions of which there are files."""
    merge: bool
    """Add columns that the table does not have."""
    files: Sequence[OutputFile]
    schema: pa.Schema | None
    partition_by: tuple[str, ...]

    def commit(self) -> str:
        """Commit the files unless the table contains them. A conflict with another writer leads to a new attempt."""
        from pyiceberg import exceptions

        conflicts = (exceptions.CommitFailedException, exceptions.ValidationException, exceptions.TableAlreadyExistsError)
        for attempt in range(ATTEMPTS):
            try:
                return self._once()
            except SinkError as error:
                if not isinstance(error.__cause__, conflicts) or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.1 * (attempt + 1)))
        raise AssertionError("the last attempt raises its error")

    def _once(self) -> str:
        table = find_table(self.place, SinkError)
        if table is None:
            return self._create()
        if is_published(table, self.run_id):
            return f"The Iceberg table {self.place.table} contains the result of the run already."
        if self.mode == "error":
            raise SinkError(f"{self.place.table}: another writer has created the table in the meantime. Choose another table.")
        if partition_columns(self.place.table, table) != self.partition_by:
            raise SinkError(f"{self.place.table}: the partitions of the table have changed in the meantime. Run the job again.")
        with iceberg_errors(self.place, SinkError), table.transaction() as transaction:
            self._update_columns(table, transaction)
            self._add(transaction, table)
        return f"Committed a snapshot of the Iceberg table {self.place.table}."

    def _create(self) -> str:
        if self.schema is None or not self.schema.names:
            raise InputError(
                f"{self.place.table}: the result has no rows and its columns are unknown, so no table can be created."
            )
        catalog = load_catalog(self.place, SinkError)
        with iceberg_errors(self.place, SinkError):
            catalog.create_namespace_if_not_exists(self.place.table.rpartition(".")[0])
            location = self.path if scheme_of(self.path) else f"file://{resolve(self.path)[1]}"
            with catalog.create_table_transaction(self.place.table, schema=self.schema, location=location) as transaction:
                if self.partition_by:
                    with transaction.update_spec() as spec:
                        for name in self.partition_by:
                            spec.add_identity(name)
                self._add(transaction, None)
        return f"Created the Iceberg table {self.place.table}."

    def _update_columns(self, table: Table, transaction: Transaction) -> None:
        """Add the columns that the table does not have. Raises SinkError if a type has changed."""
        import pyarrow as pa

        known = {field.name: field for field in arrow_columns(table.schema())}
        for field in self.schema or ():
            if field.name in known and known[field.name].type != field.type:
                raise SinkError(
                    f"{self.place.table}: column {field.name} of the table is {known[field.name].type} now, but the files of "
                    f"the run contain {field.type}. Run the job again with `--fresh`."
                )
        missing = [field for field in self.schema or () if field.name not in known]
        if missing and not self.merge:
            raise SinkError(f"{self.place.table}: the table does not have the column {missing[0].name} any more.")
        if missing:
            with transaction.update_schema() as update:
                update.union_by_name(pa.schema(missing))

    def _add(self, transaction: Transaction, table: Table | None) -> None:
        """Add the files, and remove those that they replace."""
        metadata = transaction.table_metadata
        added = [
            _data_file(self._full(file), file, self._partition(file, metadata), metadata) for file in self.files if file.rows
        ]
        snapshot = transaction.update_snapshot(snapshot_properties={RUN: self.run_id})
        removed = self._removed(table, added) if table is not None and self.mode == "overwrite" else []
        with snapshot.overwrite() if removed else snapshot.fast_append() as files:
            for file in removed:
                files.delete_data_file(file)
            for file in added:
                files.append_data_file(file)
        transaction.set_properties({RUN: self.run_id, MAPPING: _mapping(metadata)})

    def _removed(self, table: Table, added: Iterable[DataFile]) -> list[DataFile]:
        files = [task.file for task in table.scan().plan_files()]
        if not self.partitions_only:
            return files
        former = [file for file in files if file.spec_id != table.metadata.default_spec_id]
        if former:
            raise SinkError(
                f"{self.place.table}: the partitioning of the table has changed, and some files have the former one, so "
                "`overwrite: partitions` cannot replace them. Use `overwrite: table`."
            )
        replaced = {_values(file) for file in added}
        return [file for file in files if _values(file) in replaced]

    def _full(self, file: OutputFile) -> str:
        path = join(self.path, file.path)
        return path if scheme_of(path) else f"file://{resolve(path)[1]}"

    def _partition(self, file: OutputFile, metadata: TableMetadata) -> tuple[Any, ...]:
        """The partition values of a file, as Iceberg represents them, from the names of its folders."""
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        pairs = (name.split("=", 1) for name in file.path.split("/")[1:-1] if "=" in name)
        texts = {unquote(key): unquote(value) for key, value in pairs}
        schema, values = metadata.schema(), []
        for field in metadata.spec().fields:
            text = texts[schema.find_column_name(field.source_id) or ""]
            kind = schema_to_pyarrow(schema.find_type(field.source_id))
            values.append(None if text == HIVE_NULL else _as_iceberg(text_as(pa.array([text]), kind), kind))
        return tuple(values)


def _as_iceberg(value: Any, kind: Any) -> Any:
    """A value as Iceberg represents it: days, and microseconds."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_date(kind):
        return value.cast(pa.int32())[0].as_py()
    if t.is_timestamp(kind) or t.is_time(kind):
        return value.cast(pa.int64())[0].as_py()
    return value[0].as_py()


def _values(file: DataFile) -> tuple[Any, ...]:
    return tuple(file.partition[index] for index in range(len(file.partition)))


def _data_file(path: str, file: OutputFile, partition: tuple[Any, ...], metadata: TableMetadata) -> DataFile:
    """A file with its statistics, as the metadata of the table contains it."""
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    schema = metadata.schema()
    statistics = data_file_statistics_from_parquet_metadata(
        _footer(file), compute_statistics_plan(schema, metadata.properties), parquet_path_to_id_mapping(schema)
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        file_size_in_bytes=file.size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def packed_footer(footer: pq.FileMetaData) -> dict[str, Any]:
    """The footer of a file, as text."""
    import pyarrow as pa

    stream = pa.BufferOutputStream()
    footer.write_metadata_file(stream)
    return {"footer": b64encode(stream.getvalue().to_pybytes()).decode()}


def _footer(file: OutputFile) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_metadata(pa.BufferReader(b64decode((file.stats or {})["footer"])))


def _mapping(metadata: TableMetadata) -> str:
    """The name mapping of a table, which readers need because our files have no field IDs."""
    from pyiceberg.table.name_mapping import parse_mapping_from_json, update_mapping

    schema = metadata.schema()
    if not (known := metadata.properties.get(MAPPING)):
        return schema.name_mapping.model_dump_json()
    mapping = parse_mapping_from_json(known)
    top = {name for field in mapping.root for name in field.names}
    adds = {-1: [field for field in schema.fields if field.name not in top]}
    return update_mapping(mapping, {}, adds).model_dump_json() if adds[-1] else known


def is_published(table: Table, run_id: str) -> bool:
    """Whether the table contains the result of a run."""
    if table.properties.get(RUN) == run_id:
        return True
    return any(snapshot.summary is not None and snapshot.summary.get(RUN) == run_id for snapshot in table.metadata.snapshots)


def partition_columns(name: str, table: Table) -> tuple[str, ...]:
    """The columns that a table is partitioned by. Raises InvalidJob for transforms that are not supported."""
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import DoubleType, FloatType

    schema = table.schema()
    for field in table.spec().fields:
        if not isinstance(field.transform, IdentityTransform):
            raise InvalidJob(
                f"{name}: the table is partitioned by {field.transform}({schema.find_column_name(field.source_id)}), but only "
                "tables that are partitioned by the values of columns can be written."
            )
        if isinstance(schema.find_type(field.source_id), DoubleType | FloatType):
            raise InvalidJob(f"{name}: the table is partitioned by floating-point numbers, so it cannot be written.")
    return tuple(schema.find_column_name(field.source_id) or "" for field in table.spec().fields)
