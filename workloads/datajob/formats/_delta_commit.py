"""Add finished files to a Delta table in one version, exactly once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats._columns import HIVE_NULL, plain_type
from datajob.formats._delta_table import check_writable, delta_errors, open_table, storage_options, table_exists, table_uri
from datajob.formats.base import OutputFile

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

ATTEMPTS = 20
"""Number of commits that are tried while other writers commit changes that conflict."""


@dataclass(frozen=True)
class Publication:
    """The result of a run that becomes a part of a table."""

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
        from deltalake.exceptions import CommitFailedError

        for attempt in range(ATTEMPTS):
            try:
                with delta_errors(self.path, SinkError):
                    return self._once()
            except SinkError as error:
                if not _is_conflict(error.__cause__, CommitFailedError) or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * attempt)
        raise AssertionError("the last attempt raises its error")

    def _once(self) -> str:
        if not table_exists(self.path):
            return self._create()
        table = open_table(self.path)
        if is_published(table, self.run_id):
            return f"The Delta table {self.path} contains the result of the run already."
        if self.mode == "error":
            raise SinkError(f"{self.path}: another writer has created the Delta table in the meantime. Choose another path.")
        check_writable(self.path, table)
        if tuple(table.metadata().partition_columns) != self.partition_by:
            raise SinkError(f"{self.path}: the partitions of the Delta table have changed in the meantime. Run the job again.")
        table = self._with_columns(table)
        mode = "overwrite" if self.mode == "overwrite" and not self.partitions_only else "append"
        table.create_write_transaction(
            [*self._removed(table), *self._added()],
            mode,
            table.schema(),
            list(self.partition_by),
            commit_properties=self._properties(),
        )
        return f"Committed version {table.version()} of the Delta table {self.path}."

    def _create(self) -> str:
        from deltalake import Schema
        from deltalake.transaction import create_table_with_add_actions

        if self.schema is None or not self.schema.names:
            raise InputError(
                f"{self.path}: the result has no rows and its columns are unknown, so no Delta table can be created."
            )
        create_table_with_add_actions(
            table_uri(self.path),
            Schema.from_arrow(self.schema),
            self._added(),
            mode="error",
            partition_by=list(self.partition_by),
            storage_options=storage_options(self.path),
            commit_properties=self._properties(),
        )
        return f"Created the Delta table {self.path}."

    def _properties(self) -> CommitProperties:
        from deltalake import CommitProperties, Transaction

        return CommitProperties(
            custom_metadata={"datajob.run": self.run_id}, app_transactions=[Transaction(_app_id(self.run_id), 1)]
        )

    def _with_columns(self, table: DeltaTable) -> DeltaTable:
        """The table with all columns of the result. Raises SinkError if a type has changed."""
        from deltalake import Schema

        known = existing_columns(table)
        for field in self.schema or ():
            if field.name in known and known[field.name].type != field.type:
                raise SinkError(
                    f"{self.path}: column {field.name} of the Delta table is {known[field.name].type} now, but the files of "
                    f"the run contain {field.type}. Run the job again with `--fresh`."
                )
        missing = [field for field in self.schema or () if field.name not in known]
        if not missing:
            return table
        if not self.merge:
            raise SinkError(f"{self.path}: the Delta table does not have the column {missing[0].name} any more.")
        import pyarrow as pa

        table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
        return open_table(self.path)

    def _added(self) -> list[Any]:
        from deltalake.transaction import AddAction

        now = int(time.time() * 1000)
        return [AddAction(file.path, file.size, self.values(file), now, True, _stats(file)) for file in self.files if file.rows]

    def _removed(self, table: DeltaTable) -> list[Any]:
        """The files of the partitions to replace."""
        import pyarrow as pa
        from deltalake.transaction import RemoveAction

        if not self.partitions_only:
            return []
        replaced = {json.dumps(self.values(file), sort_keys=True) for file in self.files}
        now = int(time.time() * 1000)
        actions = pa.table(table.get_add_actions())
        texts = partition_texts(actions, self.partition_by)
        columns = (actions.column(name).to_pylist() for name in ("path", "size_bytes"))
        found = []
        for path, size, *values in zip(*columns, *texts, strict=True):
            of_file = dict(zip(self.partition_by, values, strict=True))
            if json.dumps(of_file, sort_keys=True) in replaced:
                found.append(RemoveAction(unquote(path), True, now, size, of_file))
        if found and "deletionVectors" in (table.protocol().writer_features or ()):
            raise SinkError(
                f"{self.path}: `overwrite: partitions` does not support Delta tables with the feature deletionVectors. Use "
                "`overwrite: table`, or remove the feature from the table."
            )
        return found

    def values(self, file: OutputFile) -> dict[str, str | None]:
        """The partition values of a file, as Delta stores them."""
        folders = [name for name in file.path.split("/")[1:-1] if "=" in name]
        pairs = [tuple(map(unquote, name.split("=", 1))) for name in folders]
        return {key: None if value == HIVE_NULL else self._as_delta(key, value) for key, value in pairs}

    def _as_delta(self, key: str, value: str) -> str:
        import pyarrow as pa

        kind = self.schema.field(key).type if self.schema is not None else None
        return value.replace(" ", "T") if kind is not None and pa.types.is_timestamp(kind) and kind.tz else value


def partition_texts(actions: pa.Table, keys: Sequence[str]) -> list[list[str | None]]:
    """The partition values of all files, as Delta stores them, one list for each key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for key in keys:
        column: Any = pc.struct_field(actions.column("partition").combine_chunks(), key)
        text = column.cast(pa.string())
        if pa.types.is_timestamp(column.type) and column.type.tz:
            text = pc.replace_substring(text, " ", "T")
        found.append(text.to_pylist())
    return found


def existing_columns(table: DeltaTable) -> Mapping[str, pa.Field[Any]]:
    """The columns of a table by name, with plain types."""
    import pyarrow as pa

    schema = pa.schema(table.schema().to_arrow())
    return {field.name: pa.field(field.name, plain_type(field.type), field.nullable) for field in schema}


def is_published(table: DeltaTable, run_id: str) -> bool:
    """Whether the table contains the result of a run."""
    return table.transaction_version(_app_id(run_id)) is not None


def refuse_append_only(path: str, table: DeltaTable) -> None:
    """Raise InvalidJob if rows of the table must not be replaced."""
    if table.metadata().configuration.get("delta.appendOnly") == "true":
        raise InvalidJob(f"{path}: the Delta table allows only new rows (delta.appendOnly). Set `mode: append`.")


def _app_id(run_id: str) -> str:
    return f"datajob-{run_id}"


def _is_conflict(error: BaseException | None, failed: type[BaseException]) -> bool:
    return isinstance(error, failed) or "already exists" in str(error)


def _stats(file: OutputFile) -> str:
    stats = file.stats or {}
    return json.dumps(
        {
            "numRecords": file.rows,
            "minValues": stats.get("min", {}),
            "maxValues": stats.get("max", {}),
            "nullCount": stats.get("nulls", {}),
        }
    )
