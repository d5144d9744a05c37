"""Matches of patterns in a text column, and their replacement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.operators.strings.column import text_from, text_of
from datajob.operators.text._patterns import IBAN, NUMBER, PATTERNS, Pattern

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

LETTER_GROUPS = 10
_IBAN_START = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2} (?:[A-Z0-9]{4} )?\Z")

Span = tuple[int, int, Pattern, str]


class Spans(NamedTuple):
    """Matches `rows[i]:rows[i + 1]` belong to row i, in order; match j is bytes `starts[j]:ends[j]` of the column."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    patterns: tuple[Pattern, ...]
    matches: tuple[str, ...]


def spans_of(batch: Batch, column: str, patterns: Iterable[Pattern]) -> Spans:
    """All matches without overlaps; if matches overlap, the earlier pattern of PATTERNS takes precedence."""
    wanted = tuple(pattern for pattern in PATTERNS.values() if pattern in tuple(patterns))
    return batch.derive(("spans", column, wanted), lambda: _find(batch, column, wanted))


def _find(batch: Batch, column: str, patterns: tuple[Pattern, ...]) -> Spans:
    import numpy as np

    from datajob.operators.kernels.regions import byte_kinds, find_regions

    text = text_of(batch, column)
    most = int(text.offsets[-1] - text.offsets[0]) // 3 + len(batch)
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    rows, hints = np.empty(most, np.int32), np.empty(most, np.uint8)
    wanted = 0
    for pattern in patterns:
        wanted |= pattern.hints
    count = find_regions(text, byte_kinds(), wanted, starts, ends, rows, hints)
    found: list[Span] = []
    found_rows: list[int] = []
    before = 0
    for start, end, row, hint in zip(*(a[:count].tolist() for a in (starts, ends, rows, hints)), strict=True):
        if hint & NUMBER and IBAN in patterns:
            start = _with_iban_start(text.data, max(before, int(text.offsets[row])), start)
        before = end
        spans = _match(text.data[start:end].tobytes().decode(), start, hint, patterns)
        found += spans
        found_rows += [row] * len(spans)
    bounds = np.searchsorted(np.array(found_rows, dtype=np.int64), np.arange(len(batch) + 1))
    positions = np.array([span[:2] for span in found], dtype=np.int64).reshape(-1, 2)
    begins, stops = np.ascontiguousarray(positions[:, 0]), np.ascontiguousarray(positions[:, 1])
    for array in (bounds, begins, stops):
        array.flags.writeable = False
    return Spans(bounds, begins, stops, tuple(s[2] for s in found), tuple(s[3] for s in found))


def _with_iban_start(data: NDArray[np.uint8], least: int, start: int) -> int:
    """Where a region of numbers begins, together with the groups of an IBAN before it that have letters: `GB82 WEST`."""
    begin = max(least, start - LETTER_GROUPS)
    found = _IBAN_START.search(data[begin:start].tobytes())
    return begin + found.start() if found else start


def _match(region: str, base: int, hint: int, patterns: tuple[Pattern, ...]) -> list[Span]:
    spans: list[Span] = []
    for pattern in patterns:
        if not pattern.hints & hint:
            continue
        for match in pattern.regex.finditer(region):
            start, end = match.span()
            if region.isascii():
                start, end = base + start, base + end
            else:
                start, end = base + len(region[:start].encode()), base + len(region[:end].encode())
            free = all(end <= other[0] or start >= other[1] for other in spans)
            if free and pattern.valid(match.group()):
                spans.append((start, end, pattern, match.group()))
    return sorted(spans, key=lambda span: span[0])


def replace_spans(batch: Batch, column: str, spans: Spans, replacement: Callable[[Pattern, str], str]) -> pa.Table:
    """The table with each match replaced by `replacement(pattern, match)`; nulls stay null."""
    import numpy as np

    from datajob.operators.kernels.regions import splice

    if not spans.matches:
        return batch.table
    text = text_of(batch, column)
    new = [replacement(pattern, match).encode() for pattern, match in zip(spans.patterns, spans.matches, strict=True)]
    offsets = np.cumsum([0, *map(len, new)], dtype=np.int64)
    data = np.frombuffer(b"".join(new), dtype=np.uint8)
    offsets.flags.writeable = data.flags.writeable = False
    removed = int((spans.ends - spans.starts).sum())
    out = np.empty(int(text.offsets[-1] - text.offsets[0]) - removed + len(data), dtype=np.uint8)
    out_offsets = np.empty(len(batch) + 1, dtype=np.int64)
    splice(text, spans.rows, spans.starts, spans.ends, data, offsets, out, out_offsets)
    array: Any = text_from(out, out_offsets, batch.array(column))
    return batch.table.set_column(batch.table.schema.get_field_index(column), column, array)
