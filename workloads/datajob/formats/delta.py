"""Tables of Delta Lake."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from pydantic import AwareDatetime, Field, model_validator

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import plain_schema
from datajob.formats._delta_commit import Publication, is_published, refuse_append_only
from datajob.formats._delta_table import check_readable, check_writable, delta_errors, open_table, table_exists
from datajob.formats._delta_types import stored_types
from datajob.formats._delta_vectors import deleted_rows, vectors
from datajob.formats._parquet_read import Chosen
from datajob.formats._table_sink import ParquetTableWriter
from datajob.formats._table_source import Snapshot, TableReader, columns_id, with_partitions
from datajob.formats._table_stats import footer_stats
from datajob.formats.base import InputFile, OutputFile
from datajob.formats.storage import join, scheme_of
from datajob.parameters import Parameters

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable


class _Place(Parameters):
    path: str = Field(min_length=1, description="Folder of the table: local, `s3://` or another URL that delta-rs supports.")


class DeltaReader(TableReader, _Place):
    """A version of a Delta table.

    Rows that the table lists in deletion vectors are not read. The shards of the job are files of the version, so that a run
    on a changed table reuses the results of files that are still part of the table.
    """

    chooses_files: ClassVar[frozenset[str]] = TableReader.chooses_files | {"path", "version", "timestamp"}

    version: int | None = Field(default=None, ge=0, description="Version to read. By default, the latest.")
    timestamp: AwareDatetime | None = Field(
        default=None, description="Reads the latest version at this time, such as `2026-11-01T00:00:00Z`."
    )

    @model_validator(mode="after")
    def _one_version(self) -> DeltaReader:
        if self.version is not None and self.timestamp is not None:
            raise ValueError("set `version` or `timestamp`, not both")
        return self

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """The folder of the table."""
        return ((("path",), self.path),)

    def snapshot(self) -> Snapshot:
        """The files in the log of the table."""
        import pyarrow as pa

        table = open_table(self.path, self.version, self.timestamp)
        check_readable(self.path, table)
        with delta_errors(self.path, InputError):
            actions = pa.table(table.get_add_actions())
            schema = plain_schema(pa.schema(table.schema().to_arrow()))
        deletes = vectors(self.path, table.version()) if "deletionVectors" in (table.protocol().reader_features or ()) else {}
        actions = actions.sort_by([("modification_time", "ascending"), ("path", "ascending")])
        columns = (actions.column(name).to_pylist() for name in ("path", "size_bytes", "modification_time"))
        files = [
            InputFile(_full(self.path, path), size, f"{time}{deletes.get(path, '')}", deletes=_some(deletes.get(path)))
            for path, size, time in ((unquote(path), *facts) for path, *facts in zip(*columns, strict=True))
        ]
        partitions = _partitions(table, actions)
        return Snapshot(schema, with_partitions(files, partitions), partitions, columns_id(str(schema)))

    def deleted(self, file: InputFile) -> Any:
        """The positions in its deletion vector."""
        return deleted_rows(file.deletes[0]) if file.deletes else None

    def choose(self, path: str, of_file: pa.Schema, names: Sequence[str]) -> Chosen:
        """Columns are found by their names, in which upper and lower case are equal."""
        found = {name: name for name in of_file.names if name in names}
        others = {name.lower(): name for name in names if name not in found}
        for name in of_file.names:
            if name not in found and name.lower() in others:
                found[name] = others.pop(name.lower())
        return Chosen(of_file, tuple(found), tuple(found.values()))


def _some(reference: str | None) -> tuple[str, ...]:
    return (reference,) if reference else ()


def _full(root: str, path: str) -> str:
    """The address of a file in the log: relative to the table or, in a clone, absolute."""
    path = re.sub("^file:/+", "/", path)
    return path if scheme_of(path) or path.startswith("/") else join(root, path)


def _partitions(table: DeltaTable, actions: pa.Table) -> pa.Table:
    import pyarrow as pa

    keys: Sequence[str] = table.metadata().partition_columns
    if not keys:
        return pa.table({})
    partition = actions.column("partition").combine_chunks()
    return pa.table({key: partition.field(key) for key in keys})


class DeltaWriter(ParquetTableWriter):
    """A Delta table. The rows of a run become visible in one version.

    A table that does not exist is created. `schemaMode: merge` adds columns in a separate version. If other writers commit at
    the same time, no rows are lost: those that another writer adds while the result is committed remain in the table.
    """

    def existing_schema(self) -> pa.Schema | None:
        """The columns of the table, or None if it does not exist."""
        import pyarrow as pa

        if not table_exists(self.path):
            return None
        table = open_table(self.path)
        check_writable(self.path, table)
        if self.mode == "overwrite":
            refuse_append_only(self.path, table)
        return pa.schema(table.schema().to_arrow())

    def existing_partitions(self) -> tuple[str, ...] | None:
        """The partition columns of the table, or None if it does not exist."""
        return tuple(open_table(self.path).metadata().partition_columns) if table_exists(self.path) else None

    def table_types(self, schema: pa.Schema) -> pa.Schema:
        """Types of Delta."""
        return stored_types(schema)

    def written_schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns as the table stores them. Raises InvalidJob for names that differ only in case."""
        seen: dict[str, str] = {}
        for name in (*(self._existing.names if self._existing is not None else ()), *schema.names):
            if seen.setdefault(name.lower(), name) != name:
                raise InvalidJob(
                    f"sink.delta: the columns {seen[name.lower()]} and {name} have the same name for Delta, which does not "
                    "distinguish upper and lower case. Rename one with `rename`."
                )
        return super().written_schema(schema)

    def file_stats(self, footer: pq.FileMetaData) -> dict[str, Any]:
        """Minimum, maximum and number of nulls."""
        return footer_stats(footer)

    def published(self, run_id: str) -> bool:
        """Whether the log contains the transaction of the run."""
        return table_exists(self.path) and is_published(open_table(self.path), run_id)

    def publish(self, files: Sequence[OutputFile], schema: pa.Schema | None) -> str:
        """Commit the files in one version."""
        return Publication(
            self.path,
            self._run,
            self.mode,
            self.mode == "overwrite" and self.overwrite == "partitions",
            self.schema_mode == "merge",
            files,
            schema,
            self.partition_by or (),
        ).commit()
