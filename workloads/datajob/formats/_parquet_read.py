"""Read the rows of Parquet files: ranges of row groups, in tables of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._parquet_check import check_int96, good_rows, int96_columns
from datajob.formats._parquet_open import open_parquet, open_small
from datajob.formats.base import Fragment, InputFile, OnBadRecord
from datajob.formats.storage import readable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PREBUFFER_BYTES = 256 << 20
"""A row group up to this size (compressed) is read in a few large requests. A larger one is streamed."""
SMALL_FILE = 1 << 20
"""A file up to this size is read in one request and decoded by one thread."""
PROBED_ROWS = 8192
"""A smaller row group is decoded as a whole, regardless of its dictionaries."""
PROBE = 256


@dataclass(frozen=True)
class Chosen:
    """What to read of a file."""

    schema: pa.Schema
    """The columns of the file."""
    names: tuple[str, ...]
    """The columns to read."""
    renamed: tuple[str, ...] | None = None
    """Their names in the table that the file belongs to, if they differ."""


def row_group_ranges(file: InputFile, target: int) -> list[Fragment]:
    """Ranges of row groups of about `target` compressed bytes. A file that is not much larger is not split."""
    if file.size <= target * 3 // 2:
        return [Fragment(file, 0, -1, file.size)]
    with readable(file.path, "as Parquet"):
        footer = open_parquet(file.path).metadata
    pieces: list[Fragment] = []
    start = weight = 0
    for i, size in enumerate(_compressed(footer, file.size)):
        weight += size
        if weight >= target or i == footer.num_row_groups - 1:
            pieces.append(Fragment(file, start, i + 1, weight))
            start, weight = i + 1, 0
    return pieces


def count_rows(fragment: Fragment) -> int:
    """The rows of its row groups, from the footer."""
    start, end = row_range(fragment)
    return end - start


def row_range(fragment: Fragment) -> tuple[int, int]:
    """The positions of its first row and after its last row within the file, from the footer."""
    with readable(fragment.file.path, "as Parquet"):
        return _row_range(open_parquet(fragment.file.path).metadata, fragment)


def _groups(footer: pq.FileMetaData, fragment: Fragment) -> range:
    return range(fragment.start, footer.num_row_groups if fragment.end < 0 else fragment.end)


def _row_range(footer: pq.FileMetaData, fragment: Fragment) -> tuple[int, int]:
    start = sum(footer.row_group(i).num_rows for i in range(fragment.start))
    return start, start + sum(footer.row_group(i).num_rows for i in _groups(footer, fragment))


def read_rows(
    fragment: Fragment,
    choose: Callable[[pq.ParquetFile], Chosen],
    batch_bytes: int,
    on_bad: OnBadRecord,
    deleted: Any = None,
) -> Iterator[pa.Table]:
    """The rows of a fragment, without those at the sorted positions `deleted`. A row with an invalid value goes to `on_bad`.

    Small row groups are read together, large ones in slices.
    """
    path = fragment.file.path
    small = fragment.file.size <= SMALL_FILE
    file = open_small(path) if small else open_parquet(path)
    chosen = choose(file)
    groups, names = _groups(file.metadata, fragment), list(chosen.names)
    if old := [name for name in int96_columns(file.schema, chosen.schema.types) if name in names]:
        check_int96(path, file, open_parquet(path, int96="ns"), groups, old)
    first, end = _row_range(file.metadata, fragment)
    for table in _tables(file, fragment.file, groups, names, batch_bytes, not small):
        if chosen.renamed is not None:
            table = table.rename_columns(list(chosen.renamed))
        rows: pa.Table = table
        positions: Any = range(first, first + table.num_rows)
        if deleted is not None:
            rows, positions = _without(table, first, deleted)
        yield good_rows(rows, path, positions, on_bad)
        first += table.num_rows
    if first != end:
        raise InputError(f"{path}: cannot be read as Parquet: {end - first} rows are missing, so it is damaged.")


def _without(table: pa.Table, first: int, deleted: Any) -> tuple[pa.Table, Any]:
    """The rows that are not deleted, and their positions in the file."""
    import numpy as np
    import pyarrow as pa

    low, high = np.searchsorted(deleted, [first, first + table.num_rows])
    keep = np.ones(table.num_rows, dtype=bool)
    keep[deleted[low:high] - first] = False
    return table if low == high else table.filter(pa.array(keep)), np.flatnonzero(keep) + first


def _compressed(footer: pq.FileMetaData, file_bytes: int) -> list[int]:
    """The compressed bytes of each row group, estimated from the size of the file.

    The exact sizes are in the metadata of the columns, with statistics: damaged ones end the process in pyarrow.
    """
    groups = [footer.row_group(i).total_byte_size for i in range(footer.num_row_groups)]
    total = max(1, sum(groups))
    return [max(0, file_bytes * size // total) for size in groups]


def _tables(
    file: pq.ParquetFile, origin: InputFile, groups: range, names: list[str], batch_bytes: int, threads: bool
) -> Iterator[pa.Table]:
    """The rows of `groups`. Adjacent ones are read together, up to `batch_bytes` (decoded size according to the footer)."""
    import pyarrow as pa

    path, compressed = origin.path, _compressed(file.metadata, origin.size)
    together: list[int] = []
    size = 0
    for i in groups:
        group = file.metadata.row_group(i)
        decoded = max(group.total_byte_size, _decoded(file, path, i, names))
        if together and size + decoded > batch_bytes:
            yield file.read_row_groups(together, columns=names, use_threads=threads)
            together, size = [], 0
        if decoded <= batch_bytes:
            together.append(i)
            size += decoded
            continue
        rows = max(1, group.num_rows * batch_bytes // decoded)
        source = file if compressed[i] <= PREBUFFER_BYTES else open_parquet(path, file.metadata, stream=True)
        for batch in source.iter_batches(rows, row_groups=[i], columns=names):
            yield pa.Table.from_batches([batch])
    if together:
        yield file.read_row_groups(together, columns=names, use_threads=threads)


def _decoded(file: pq.ParquetFile, path: str, index: int, names: list[str]) -> int:
    """Decoded bytes of a large row group, estimated from its first rows: those of dictionaries are in no metadata."""
    group = file.metadata.row_group(index)
    if group.num_rows < PROBED_ROWS:
        return 0
    probe = open_parquet(path, file.metadata, stream=True)
    head = next(probe.iter_batches(PROBE, row_groups=[index], columns=names), None)
    return 0 if head is None or not head.num_rows else head.nbytes * group.num_rows // head.num_rows
