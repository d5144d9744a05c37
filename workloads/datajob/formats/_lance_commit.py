"""Add finished files to a Lance table in one version, exactly once."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats._lance_table import lance, lance_errors, open_table, storage_options, table_exists
from datajob.formats._lance_write import format_version
from datajob.formats._table_sink import hash_of
from datajob.formats.base import OutputFile
from datajob.formats.storage import address

if TYPE_CHECKING:
    import pyarrow as pa
    from lance import LanceDataset
    from lance.fragment import DataFile, FragmentMetadata
    from lance.lance.schema import LanceField

ATTEMPTS = 20
"""Number of commits that are tried while other writers commit changes that conflict."""
RUN = "datajob.run"
"""The ID of a run, in the properties of its transaction."""
FORMATS = ("2.0", "2.1", "2.2")
"""Versions of the file format that are written."""


@dataclass(frozen=True)
class Publication:
    """The result of a run that becomes a part of a table."""

    path: str
    run_id: str
    mode: str
    merge: bool
    """Add columns that the table does not have."""
    files: Sequence[OutputFile]
    schema: pa.Schema | None
    format: str
    """Version of the file format that the table had before the run; empty if it did not exist."""
    since: int
    """Version of the table before the attempt."""

    def commit(self) -> str:
        """Commit the files unless the table contains them. A conflict with another writer leads to a new attempt."""
        for attempt in range(ATTEMPTS):
            existed = table_exists(self.path)
            try:
                return self._once()
            except SinkError as error:
                created = not existed and table_exists(self.path)
                if not (created or _is_conflict(error.__cause__)) or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.1 * (attempt + 1)))
        raise AssertionError("the last attempt raises its error")

    def _once(self) -> str:
        if not table_exists(self.path):
            return self._create()
        table = open_table(self.path)
        if is_published(self.path, table, self.run_id, self.since):
            self._without_repeated(table)
            return f"The Lance table {self.path} contains the result of the run already."
        if self.mode == "error":
            raise SinkError(f"{self.path}: another writer has created the Lance table in the meantime. Choose another path.")
        check_writable(self.path, table)
        table = self._with_columns(table)
        if self.format and table.data_storage_version != self.format:
            raise SinkError(
                f"{self.path}: the Lance table has the file format {table.data_storage_version} now, but the files of the run "
                f"have {self.format}. Run the job again with `--fresh`."
            )
        operations = lance().LanceOperation
        with lance_errors(self.path, SinkError):
            fragments = self._fragments(lambda file: _data_file(table, file))
            overwrite = self.mode == "overwrite"
            operation = operations.Overwrite(table.lance_schema, fragments) if overwrite else operations.Append(fragments)
            done = self._without_repeated(self._commit(table.version, operation))
        return f"Committed version {done.version} of the Lance table {self.path}."

    def _create(self) -> str:
        if self.schema is None or not self.schema.names:
            raise InputError(
                f"{self.path}: the result has no rows and its columns are unknown, so no Lance table can be created."
            )
        from lance.schema import LanceSchema

        schema = self.schema
        version = format_version(schema)
        with lance_errors(self.path, SinkError):
            ids = {field.name(): _leaves(field) for field in LanceSchema.from_pyarrow(schema).fields()}
            fragments = self._fragments(lambda file: _new_file(ids, file, version))
            self._commit(0, lance().LanceOperation.Overwrite(schema, fragments))
        return f"Created the Lance table {self.path}."

    def _commit(self, read_version: int, operation: Any) -> LanceDataset:
        from lance.dataset import Transaction

        transaction = Transaction(read_version, operation, transaction_properties={RUN: self.run_id})
        table: LanceDataset = lance().LanceDataset.commit(
            address(self.path), transaction, storage_options=storage_options(self.path), max_retries=0
        )
        return table

    def _without_repeated(self, table: LanceDataset) -> LanceDataset:
        """The table without fragments that two drivers of the run added at the same time: Lance accepts both commits."""
        seen: set[str] = set()
        repeated: list[int] = []
        for fragment in table.get_fragments():
            name = str(fragment.metadata.files[0].path)
            if name in seen and name.startswith(f"{hash_of(self.run_id)}-"):
                repeated.append(fragment.fragment_id)
            seen.add(name)
        if not repeated:
            return table
        return self._commit(table.version, lance().LanceOperation.Delete([], repeated, "false"))

    def _fragments(self, first: Any) -> list[FragmentMetadata]:
        """The files as fragments. `first` describes one file of those with the same columns."""
        from lance.fragment import DataFile, FragmentMetadata

        found: list[FragmentMetadata] = []
        known: dict[tuple[str, ...], DataFile] = {}
        for file in self.files:
            if not file.rows:
                continue
            columns = tuple((file.stats or {})["columns"])
            if columns not in known:
                known[columns] = first(file)
            like = known[columns]
            name = file.path.rpartition("/")[2]
            same = (like.fields, like.column_indices, like.file_major_version, like.file_minor_version)
            found.append(FragmentMetadata(0, [DataFile(name, *same, file.size)], file.rows))
        return found

    def _with_columns(self, table: LanceDataset) -> LanceDataset:
        """The table with all columns of the result. Raises SinkError if a type has changed."""
        import pyarrow as pa

        known = {field.name: field for field in existing_columns(table)}
        for field in self.schema or ():
            if field.name in known and known[field.name].type != field.type:
                raise SinkError(
                    f"{self.path}: column {field.name} of the Lance table is {known[field.name].type} now, but the files of "
                    f"the run contain {field.type}. Run the job again with `--fresh`."
                )
        missing = [field for field in self.schema or () if field.name not in known]
        if not missing:
            return table
        if not self.merge:
            raise SinkError(f"{self.path}: the Lance table does not have the column {missing[0].name} any more.")
        with lance_errors(self.path, SinkError):
            table.add_columns(pa.schema(missing))
        return open_table(self.path)


def _data_file(table: LanceDataset, file: OutputFile) -> DataFile:
    """A file of an existing table. Lance finds the columns in the file by their names."""
    from lance.fragment import DataFile

    return DataFile.create(table, file.path.rpartition("/")[2])


def _new_file(ids: Mapping[str, list[int]], file: OutputFile, version: str) -> DataFile:
    """A file of a new table, whose columns are numbered in order."""
    from lance.fragment import DataFile

    fields = [number for column in (file.stats or {})["columns"] for number in ids[column]]
    major, minor = map(int, version.split("."))
    return DataFile("", fields, list(range(len(fields))), major, minor)


def _leaves(field: LanceField) -> list[int]:
    """The IDs of the columns without others inside: those that files contain since the format 2.1."""
    children = field.children()
    return [number for child in children for number in _leaves(child)] if children else [field.id()]


def existing_columns(table: LanceDataset) -> list[pa.Field[Any]]:
    """The columns of a table as it stores them."""
    return list(table.schema)


def check_writable(path: str, table: LanceDataset) -> None:
    """Raise InvalidJob if files cannot be added to a table."""
    if table.data_storage_version not in FORMATS:
        raise InvalidJob(
            f"{path}: the Lance table has the file format {table.data_storage_version}, which cannot be written; "
            f"{', '.join(FORMATS)} can. Write the rows to a new table."
        )


def is_published(path: str, table: LanceDataset, run_id: str, since: int) -> bool:
    """Whether a version of the table after `since` was committed by a run."""
    prefix = f"{hash_of(run_id)}-"
    with lance_errors(path, SinkError):
        if any(file.path.startswith(prefix) for one in table.get_fragments() for file in one.metadata.files):
            return True
        versions = [one["version"] for one in table.version_refs() if one["version"] > since]
        return any(_run_of(table, version) == run_id for version in reversed(versions))


def _run_of(table: LanceDataset, version: int) -> str | None:
    transaction = table.read_transaction(version)
    return None if transaction is None else (transaction.transaction_properties or {}).get(RUN)


def _is_conflict(error: BaseException | None) -> bool:
    return error is not None and ("Conflict" in type(error).__name__ or "conflict" in str(error))
