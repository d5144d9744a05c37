"""Read the fragments of a Lance table, without deleted rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._lance_blobs import has_blobs
from datajob.formats._lance_table import lance_errors, open_table
from datajob.formats.base import Fragment, InputFile
from datajob.formats.folder import Folder
from datajob.formats.storage import address, join, scheme_of

if TYPE_CHECKING:
    import pyarrow as pa
    from lance import LanceDataset
    from lance.fragment import DataFile, FragmentMetadata, LanceFragment

KEPT_TABLES = 8
"""Versions of tables that a process keeps open."""


def input_files(path: str, table: LanceDataset, columns_id: str) -> list[InputFile]:
    """The fragments of a table, each with the address of its first data file."""
    fragments = [fragment.metadata for fragment in table.get_fragments()]
    sizes = _sizes(path, table, fragments)
    return [
        InputFile(data_file(path, table, one.files[0]), sizes(one), f"{_version(one)} {columns_id}")
        for one in fragments
        if _live(one) != 0
    ]


def _sizes(path: str, table: LanceDataset, fragments: Sequence[FragmentMetadata]) -> Any:
    """A function that gives the bytes of a fragment, its blobs included."""
    listed: dict[str, int] = {}
    if has_blobs(table.lance_schema.fields()) or any(not file.file_size_bytes for one in fragments for file in one.files):
        for name, size in Folder(path).list("data", recursive=True).items():
            stem = name.split("/")[1].removesuffix(".lance")
            listed[stem] = listed.get(stem, 0) + size

    def size_of(fragment: FragmentMetadata) -> int:
        return sum(listed.get(file.path.removesuffix(".lance"), file.file_size_bytes or 0) for file in fragment.files)

    return size_of


def data_file(path: str, table: LanceDataset, file: DataFile) -> str:
    """The address of a data file. In a clone, it can be in another table."""
    base = path
    if file.base_id is not None:
        found = table.base_paths()[file.base_id]
        base = found.path if found.is_dataset_root else found.path.rstrip("/").rpartition("/data")[0]
        base = base if scheme_of(base) or base.startswith("/") or scheme_of(path) else f"/{base}"
    return join(base, "data", str(file.path))


def _version(fragment: FragmentMetadata) -> str:
    """Changes when the rows of a fragment change: data files and deletions."""
    return hashlib.blake2b(json.dumps(fragment.to_json(), sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _live(fragment: FragmentMetadata) -> int | None:
    """The number of rows that are not deleted; None if the table does not contain it."""
    rows: int = fragment.physical_rows
    return rows - fragment.num_deletions if rows else None


@lru_cache(maxsize=KEPT_TABLES)
def _opened(path: str, version: int, uri: str) -> tuple[LanceDataset, Mapping[str, LanceFragment]]:
    table = open_table(path, version)
    with lance_errors(path, InputError):
        return table, {data_file(path, table, one.metadata.files[0]): one for one in table.get_fragments()}


def fragment_of(path: str, version: int, file: InputFile) -> tuple[LanceDataset, LanceFragment]:
    """A fragment of a version of a table. Raises InputError if the version was deleted or replaced in the meantime."""
    if file.path not in _opened(path, version, address(path))[1]:
        _opened.cache_clear()  # another table has been created in the same folder
    table, fragments = _opened(path, version, address(path))
    if file.path not in fragments:
        raise InputError(f"{file.path}: is not part of version {version} of the Lance table {path} any more.")
    return table, fragments[file.path]


def count_rows(path: str, fragment: LanceFragment) -> int:
    """The rows of a fragment that are not deleted."""
    if (known := _live(fragment.metadata)) is not None:
        return known
    with lance_errors(path, InputError):
        return int(fragment.count_rows())


def row_ranges(file: InputFile, rows: int, target: int) -> list[Fragment]:
    """Ranges of rows of about `target` bytes."""
    parts = max(1, min(rows, -(-file.size // target)))
    bounds = [rows * part // parts for part in range(parts + 1)]
    return [Fragment(file, start, end, file.size // parts) for start, end in pairwise(bounds)]


def read_batches(
    path: str, fragment: LanceFragment, columns: Sequence[str], rows: range, batch_bytes: int, as_bytes: bool
) -> Iterator[pa.Table]:
    """Rows at positions among those that are not deleted. Blobs are described, or read if `as_bytes`."""
    import pyarrow as pa

    handling: Any = "all_binary" if as_bytes else "blobs_descriptions"
    read = 0
    with lance_errors(path, InputError):
        scanner = fragment.scanner(
            columns=list(columns),
            offset=rows.start,
            limit=len(rows),
            batch_size_bytes=batch_bytes,
            batch_readahead=2,
            blob_handling=handling,
        )
        for batch in scanner.to_batches():
            read += batch.num_rows
            yield pa.Table.from_batches([batch])
    if read != len(rows):
        raise InputError(f"{path}: {len(rows) - read} rows of fragment {fragment.fragment_id} are missing, so it is damaged.")
