"""Where the samples of a tar file are, stored next to it: `NAME.tar.idx` for Energon, and the members of all samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

IDX, MEMBERS = ".tar.idx", ".members.parquet"
BLOCK = 512
"""Bytes to a multiple of which the members of a tar file are padded."""


class Member(NamedTuple):
    """A member of a sample."""

    key: str
    part: str
    """The extension."""
    start: int
    """Offset of its first header."""
    content: int
    """Offset of its content."""
    size: int
    """Size of its content in bytes."""


class TarIndex:
    """Collects the members of a tar file in the order of the file, in which the members of a sample are adjacent."""

    def __init__(self, streams: list[pa.NativeFile]) -> None:
        self._offsets, self._members = streams
        self._found: list[Member] = []

    def add(self, key: str, part: str, start: int, end: int, size: int) -> None:
        """Add a member whose headers and padded content are between two offsets."""
        self._found.append(Member(key, part, start, end - -(-size // BLOCK) * BLOCK, size))

    def finish(self, end: int) -> None:
        """Write the offsets of the samples and of their end, and the members."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        keys = [member.key for member in self._found]
        starts = [m.start for i, m in enumerate(self._found) if i == 0 or m.key != keys[i - 1]]
        self._offsets.write(np.array([*starts, end], "<u8").tobytes())
        kinds = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64())
        columns = list(zip(*self._found, strict=True)) or [()] * len(kinds)
        arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
        table: Any = pa.Table.from_arrays(arrays, list(Member._fields)).replace_schema_metadata({"end": str(end)})
        pq.write_table(table, self._members, compression="zstd")
