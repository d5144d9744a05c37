"""The source of tables: the Parquet files of a version, without the rows that the table lists as deleted."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import HIVE_NULL, conform, project
from datajob.formats._parquet_check import check_schema
from datajob.formats._parquet_foreign import check_variants, schema_of
from datajob.formats._parquet_read import Chosen, read_rows, row_group_ranges, row_range
from datajob.formats._partition_filter import matching
from datajob.formats.base import Fragment, InputFile, OnBadRecord, Reader
from datajob.formats.storage import readable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class Snapshot:
    """A version of a table."""

    schema: pa.Schema
    files: list[InputFile]
    partitions: pa.Table | None
    """The partition values of the files, one row per file. None if the files are partitioned in different ways."""
    columns_id: str
    """Hash of what determines the columns of the rows of a file: a changed table has other rows in the same files."""


class TableReader(Reader):
    """Base class of sources of tables."""

    abstract: ClassVar[bool] = True
    chooses_files: ClassVar[frozenset[str]] = frozenset({"where"})
    partition_in_files: ClassVar[bool] = False
    """Whether the values in files take precedence over those of their partition."""

    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns to read, in this order. By default, all."
    )
    where: str | None = Field(
        default=None,
        min_length=1,
        description="Condition in SQL that chooses the partitions to read, such as `lang = 'de' AND day >= '2026-01-01'`. It "
        "can use only partition columns: a `filter` step chooses rows.",
    )
    _table_schema: Any = PrivateAttr(default=None)

    def snapshot(self) -> Snapshot:
        """The version to read. Raises InputError."""
        raise NotImplementedError

    def deleted(self, file: InputFile) -> Any:
        """The sorted positions of the deleted rows of a file, or None. Raises InputError."""
        raise NotImplementedError

    def known_columns(self) -> tuple[str, ...] | None:
        """`columns` and `includePath` if `columns` is set."""
        return (*self.columns, *((self.include_path,) if self.include_path else ())) if self.columns else None

    def files(self) -> list[InputFile]:
        """The files of the version in the chosen partitions. Raises InputError if the table cannot be read."""
        snapshot = self.snapshot()
        self._table_schema = snapshot.schema
        files = [replace(file, version=f"{file.version} {snapshot.columns_id}") for file in snapshot.files]
        if self.where is None or not files:
            return files
        if snapshot.partitions is None:
            raise InvalidJob(
                f"where: the partitioning of {self.name()} has changed, and some files have the former one. Use a `filter` "
                "step."
            )
        return list(itertools.compress(files, matching(self.where, snapshot.partitions, self.name())))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns of the table, so that no file is opened."""
        import pyarrow as pa

        schema = self._table_schema
        if self.include_path:
            if self.include_path in schema.names:
                raise InputError(f"includePath: the table already has a column {self.include_path}; choose another name.")
            schema = schema.append(pa.field(self.include_path, pa.string()))
        return project(schema, self.known_columns(), self.name())

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of row groups of about `target` compressed bytes."""
        return row_group_ranges(file, target)

    def count(self, fragment: Fragment) -> int:
        """The rows of its row groups that are not deleted."""
        import numpy as np

        start, end = row_range(fragment)
        deleted = self.deleted(fragment.file)
        if deleted is None:
            return end - start
        low, high = np.searchsorted(deleted, [start, end])
        return int(end - start - (high - low))

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Row group by row group, without deleted rows. A row with an invalid value goes to `on_bad`."""
        path = fragment.file.path
        of_table = set() if self.partition_in_files else {key for key, _ in fragment.file.partition}

        def choose(file: pq.ParquetFile) -> Chosen:
            of_file = schema_of(file, None)
            chosen = self.choose(path, of_file, [name for name in schema.names if name not in of_table])
            check_schema(path, of_file, chosen.names)
            check_variants(path, file, of_file, chosen.names)
            return chosen

        try:
            with readable(path, "as Parquet"):
                for table in read_rows(fragment, choose, batch_bytes, on_bad, self.deleted(fragment.file)):
                    yield conform(table, schema, fragment, self)
        except InputError as error:
            if "does not exist" in str(error):
                raise InputError(f"{error} Files of old versions may have been deleted from the table.") from error
            raise

    def choose(self, path: str, of_file: pa.Schema, names: Sequence[str]) -> Chosen:
        """What to read of a file for the columns `names` of the table."""
        return Chosen(of_file, tuple(name for name in of_file.names if name in names))


def columns_id(*facts: object) -> str:
    """The field of a snapshot, of facts with a stable text."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def with_partitions(files: Sequence[InputFile], partitions: pa.Table) -> list[InputFile]:
    """The files with their partition values as texts, which `conform` converts to the types of the columns."""
    names = partitions.column_names
    texts = zip(*(_texts(partitions, name) for name in names), strict=True) if names else ((),) * len(files)
    pairs = zip(files, texts, strict=True)
    return [replace(file, partition=tuple(zip(names, values, strict=True))) for file, values in pairs]


def _texts(partitions: pa.Table, name: str) -> list[str]:
    """The values of a partition as texts, which `conform` converts to the type of the column."""
    import pyarrow as pa

    column = partitions.column(name)
    if pa.types.is_binary(column.type):
        raise InputError(f"The table is partitioned by {name} of type binary, which is not supported.")
    return [HIVE_NULL if value is None else value for value in column.cast(pa.string()).to_pylist()]
