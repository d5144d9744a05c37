"""Checkpoints: results of the steps for rows of a shard that is not committed yet, stored in the sink.

If a process is killed, its shard runs again. Rows whose results are stored here are not processed again, only written.
The commit of the shard deletes its checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from datajob.engine.counts.tally import Tally
from datajob.engine.worker.rejects import CollectedRejects
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

if TYPE_CHECKING:
    import pyarrow as pa

CHECKPOINTS = f"{BOOKKEEPING}/checkpoints"
LENGTH_BYTES = 8
"""Bytes at the start of a file for the length of its index."""


@dataclass(frozen=True)
class Processed:
    """The results of the steps for consecutive rows of one table of a shard."""

    start: int
    """Position of the first row in the shard."""
    stop: int
    table: pa.Table
    """The rows that the steps passed on."""
    tally: Tally
    rejects: CollectedRejects
    mixed: bool = False
    """True if rows failed because the results of a step have several types."""

    @cached_property
    def bytes(self) -> int:
        """Approximate size."""
        return int(self.table.nbytes + sum(rows.nbytes for _, _, rows, _ in self.rejects.rows))


class Checkpoints:
    """The checkpoints of one shard. The name of a file states the rows that it covers: `<start>-<stop>.arrow`."""

    def __init__(self, sink: str, stage: str, key: str) -> None:
        self._folder = Folder(sink)
        self._name = f"{CHECKPOINTS}/{stage}/{key}"

    def stored(self) -> dict[int, int]:
        """The rows that are covered: start and end of each file. Of files with the same start, the longest one."""
        found: dict[int, int] = {}
        for name in self._folder.list(self._name):
            start, stop = map(int, name.rsplit("/", 1)[-1].removesuffix(".arrow").split("-"))
            found[start] = max(stop, found.get(start, 0))
        return found

    def store(self, results: Sequence[Processed]) -> bool:
        """Store results of consecutive rows as one file. False if Arrow cannot store their types, or rows without columns."""
        import pyarrow as pa

        if any(result.table.num_rows and not result.table.num_columns for result in results):
            return False
        try:
            parts = pack(results)
        except pa.ArrowException:  # types that are nested too deeply
            return False
        self._folder.write(self._file(results[0].start, results[-1].stop), *parts)
        return True

    def load(self, start: int, stop: int) -> list[Processed]:
        """The results in a file."""
        return unpack(self._folder.read(self._file(start, stop)))

    def forget(self) -> None:
        """Delete the checkpoints."""
        self._folder.delete_tree(self._name)

    def _file(self, start: int, stop: int) -> str:
        return f"{self._name}/{start:012}-{stop:012}.arrow"


def covered_rows(stored: Mapping[int, int]) -> int:
    """Number of rows that checkpoints cover, which can overlap."""
    rows = end = 0
    for start, stop in sorted(stored.items()):
        rows += max(0, stop - max(start, end))
        end = max(end, stop)
    return rows


def pack(results: Sequence[Processed]) -> list[bytes | pa.Buffer]:
    """Results as the parts of a file: the length of an index, the index as JSON, and the tables."""
    buffers: list[Any] = []
    index = [
        {
            "range": [result.start, result.stop],
            "table": _add(buffers, result.table),
            "tally": result.tally.to_json(),
            "mixed": result.mixed,
            "rejects": [
                [step, errors, _add(buffers, rows), None if reasons is None else _add(buffers, reasons)]
                for step, errors, rows, reasons in result.rejects.rows
            ],
        }
        for result in results
    ]
    head = json.dumps(index).encode()
    return [len(head).to_bytes(LENGTH_BYTES, "little"), head, *buffers]


def unpack(data: bytes) -> list[Processed]:
    """The inverse of `pack`."""
    import pyarrow as pa

    start = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    parts = _Parts(pa.py_buffer(data), start)
    found: list[Processed] = []
    for entry in json.loads(data[LENGTH_BYTES:start]):
        table = parts.table(entry["table"])
        rejects = CollectedRejects()
        for step, errors, rows, reasons in entry["rejects"]:
            rejected = parts.table(rows)
            rejects.rows.append((step, errors, rejected, None if reasons is None else parts.table(reasons)))
        start, stop = entry["range"]
        found.append(Processed(start, stop, table, Tally.from_json(entry["tally"]), rejects, entry["mixed"]))
    return found


def _add(buffers: list[Any], table: pa.Table) -> list[int]:
    """Append a table column by column, so that each column keeps its chunks. Returns its rows and the sizes of its parts."""
    columns = [_stream(field, column) for field, column in zip(table.schema, table.columns, strict=True)]
    added = [table.schema.serialize(), *columns]
    buffers += added
    return [table.num_rows, *(len(buffer) for buffer in added)]


def _stream(field: Any, column: Any) -> pa.Buffer:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    schema = pa.schema([field])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for chunk in column.chunks:
            writer.write_batch(pa.record_batch([chunk], schema=schema))
    return sink.getvalue()


class _Parts:
    """Reads the tables of a file in the order in which they were added."""

    def __init__(self, data: pa.Buffer, start: int) -> None:
        self._data, self._at = data, start

    def table(self, sizes: Sequence[int]) -> pa.Table:
        """The next table."""
        import pyarrow as pa

        rows, *rest = sizes
        parts = self._next(rest)
        schema = pa.ipc.read_schema(next(parts))
        columns: list[Any] = []
        for field, part in zip(schema, parts, strict=True):
            with pa.ipc.open_stream(part) as reader:
                columns.append(pa.chunked_array([batch.column(0) for batch in reader], field.type))
        table = pa.table(columns, schema=schema)
        if table.num_rows != rows:
            raise AssertionError(f"a checkpoint has {table.num_rows} rows instead of {rows}")
        return table

    def _next(self, sizes: Sequence[int]) -> Iterator[pa.Buffer]:
        for size in sizes:
            self._at += size
            yield self._data.slice(self._at - size, size)
