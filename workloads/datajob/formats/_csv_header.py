"""The names of the columns of a CSV file."""

from __future__ import annotations

import csv
import io
import sys

from datajob.errors import InputError
from datajob.formats._csv_records import Dialect, Records
from datajob.formats._csv_scan import scan

HEAD = 64 << 10
"""Bytes to inspect first."""


def header(path: str, records: Records | None, dialect: Dialect) -> tuple[str, ...]:
    """The names of the columns, from the first records of a file. Raises InputError if two columns have the same name."""
    first = _first_row(path, records, dialect) if records else []
    names = dialect.names or (tuple(first) if dialect.header else tuple(f"f{i}" for i in range(len(first))))
    if first and len(first) != len(names) and dialect.ragged == "fail":
        raise InputError(f"{path}: `names` has {len(names)} columns but the first row has {len(first)}.")
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise InputError(f"{path}: two columns have the name {twice[0]!r}; set unique names in `names`.")
    return names if first else ()


def _first_row(path: str, records: Records, dialect: Dialect) -> list[str]:
    size = HEAD
    while True:  # only the first row, regardless of its length
        head = scan(records.data[:size], dialect, b"\n", final=size >= len(records.data))[0]
        data, delimiter = head.for_arrow(dialect, 0)
        if data.strip(b"\r\n") or size >= len(records.data):
            break
        size *= 8
    if data.lstrip(b"\r\n").startswith(b"\x00"):
        reason = head.edits[0].reason if head.edits else "a NUL character"
        raise InputError(
            f'{path}: {reason} in the first row; set `quote` to the quote character of the file, or to "" if it has none.'
        )
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(
        io.StringIO(data.decode("utf-8", "replace"), newline=""),
        delimiter=delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.parsed_escape,
        doublequote=dialect.parsed_escape is None,
    )
    return next((row for row in rows if row), [])
