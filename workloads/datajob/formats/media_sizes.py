"""Estimates of the bytes of media, so that tables of references are cut before their files are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from datajob.formats.media_files import located
from datajob.formats.storage import scheme_of
from datajob.media.errors import MediaError
from datajob.media.references import is_url
from datajob.media.values import MediaValue, accepts, is_bytes, is_list, media_values

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

REMOTE_BYTES = 256 << 10
"""Bytes of a file whose size only a request would return."""
BYTES_PER_SECOND = 192_000
"""Bytes of a second of a clip: two channels of 16 bits, 48,000 times a second."""
LOSSY_AUDIO = (".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mp4")
EXPANSION = 8
"""Bytes of decoded audio for each byte of a file with such an ending."""


def estimated_sizes(column: pa.ChunkedArray[Any], folder: str | None) -> NDArray[Any]:
    """The estimated bytes of the media of each row; 0 for a column of bytes without paths."""
    import numpy as np

    sizes = np.zeros(len(column), np.int64)
    kind: Any = column.type
    if not accepts(kind) or is_bytes(kind.value_type if is_list(kind) else kind):
        return sizes
    for row, cell in enumerate(media_values(column)):
        sizes[row] = sum(_size(value, folder) for value in (cell if isinstance(cell, tuple) else (cell,)))
    return sizes


def _size(value: MediaValue, folder: str | None) -> int:
    if value.data is None and value.time_span is not None and value.time_span[1] is not None:
        return int((value.time_span[1] - value.time_span[0]) * BYTES_PER_SECOND)
    lossy = value.path is not None and value.path.lower().endswith(LOSSY_AUDIO)
    return _file_size(value, folder) * (EXPANSION if lossy else 1)


def _file_size(value: MediaValue, folder: str | None) -> int:
    if value.data is not None:
        return len(value.data)
    if value.missing or value.problem is not None:
        return 0
    if value.byte_range is not None:
        return value.byte_range[1]
    try:
        path = located(value, folder)
        if is_url(path) or scheme_of(path):
            return REMOTE_BYTES
        return os.stat(os.path.expanduser(path.removeprefix("file://"))).st_size
    except (MediaError, OSError, ValueError):  # the row fails when its file is read
        return 0
