"""Open Parquet files: local or remote, small ones with a single read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.formats.storage import resolve, scheme_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

STREAM_BUFFER = 8 << 20


def open_parquet(path: str, metadata: pq.FileMetaData | None = None, stream: bool = False, int96: str = "us") -> pq.ParquetFile:
    """A file. Timestamps of the type INT96, which Spark and Impala write, are read in microseconds, which reach all years."""
    import pyarrow.parquet as pq

    filesystem, inner = resolve(path)
    remote = bool(scheme_of(path))
    return pq.ParquetFile(
        filesystem.open_input_file(inner),
        metadata=metadata,
        pre_buffer=remote and not stream,
        buffer_size=STREAM_BUFFER if stream else 0,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit=int96,
    )


def open_small(path: str) -> pq.ParquetFile:
    """A file read at once. For thousands of small files, single reads and thread switches take most of the time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not scheme_of(path):
        with open(path.removeprefix("file://"), "rb", buffering=0) as local:
            return pq.ParquetFile(pa.py_buffer(local.read()), page_checksum_verification=True, coerce_int96_timestamp_unit="us")
    filesystem, inner = resolve(path)
    with filesystem.open_input_file(inner) as file:
        return pq.ParquetFile(file.read_buffer(), page_checksum_verification=True, coerce_int96_timestamp_unit="us")
