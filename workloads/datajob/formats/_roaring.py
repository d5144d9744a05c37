"""Positions of deleted rows as roaring bitmaps, as Delta and Iceberg store them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._table_packages import package

if TYPE_CHECKING:
    import numpy as np

MAGIC = (1681511377).to_bytes(4, "little")
"""The first bytes of a bitmap."""


def positions_of(bitmap: bytes, place: str, format_key: str) -> np.ndarray[Any, Any]:
    """The sorted positions in a bitmap with its magic bytes. Raises InputError if it is damaged."""
    import numpy as np

    pyroaring = package("pyroaring", format_key)
    try:
        if bitmap[:4] != MAGIC:
            raise ValueError("its first bytes are wrong")
        return np.array(pyroaring.BitMap64.deserialize(bitmap[4:]), dtype=np.int64)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{place}: the list of deleted rows is damaged ({error}).") from error


def check_sum(data: bytes, expected: bytes, place: str) -> None:
    """Raise InputError if the big-endian CRC-32 of `data` is not `expected`."""
    if zlib.crc32(data).to_bytes(4, "big") != expected:
        raise InputError(f"{place}: the list of deleted rows is damaged: its checksum does not match.")
