"""Rows and tokens of each source, such as a crawl or a collection of code, as a step counted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.api.report import SourceReport
from datajob.parameters import TokenColumns

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1000
"""Number of sources of a step that are counted separately."""
OTHERS = "(others)"
"""Name of the sources beyond that number."""
ALL = "(all)"
"""Name of the only source if a step has no column with the source."""


@dataclass
class SourceTally:
    """Counts of one source."""

    rows: int = 0
    tokens: int | None = None
    """None: a step that does not count tokens."""
    requested: float | None = None
    """The share that a mixture requests."""
    available: int | None = None
    """Rows or tokens that a mixture could take without repetition."""


Sources = dict[str, SourceTally]


def add_sources(mine: Sources, others: Mapping[str, SourceTally]) -> None:
    """Add the counts of another shard for the same step."""
    for name, other in others.items():
        here = mine.setdefault(name if name in mine or len(mine) < MOST else OTHERS, SourceTally())
        here.rows += other.rows
        here.tokens = None if other.tokens is None else (here.tokens or 0) + other.tokens
        here.requested, here.available = other.requested, other.available


def count_tokens(mine: Sources, table: pa.Table, counted: TokenColumns) -> None:
    """Count the rows and tokens of a table by source."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from datajob.operators.table._token_columns import source_names, token_sizes

    sizes = token_sizes(table.column(counted.tokens).combine_chunks(), counted.tokens)
    sizes = sizes if counted.maximum is None else np.minimum(sizes, counted.maximum)
    if counted.source is None:
        add_sources(mine, {ALL: SourceTally(len(sizes), int(sizes.sum()))})
        return
    names = pc.fill_null(source_names(table.column(counted.source).combine_chunks(), counted.source), "(null)")
    found = pa.table({"source": names, "tokens": sizes}).group_by("source").aggregate([("tokens", "sum"), ([], "count_all")])
    columns = (found.column(name).to_pylist() for name in ("source", "count_all", "tokens_sum"))
    add_sources(mine, {name: SourceTally(rows, total) for name, rows, total in zip(*columns, strict=True)})


def source_reports(found: Mapping[str, Sources], order: Iterable[str]) -> tuple[SourceReport, ...]:
    """The entries of the report: the largest sources of each step first."""
    return tuple(report for step in order if step in found for report in _of_step(step, found[step]))


def _of_step(step: str, sources: Sources) -> list[SourceReport]:
    total = sum(map(_size, sources.values()))
    ordered = sorted(sources.items(), key=lambda item: (-_size(item[1]), item[0]))
    return [
        SourceReport(
            step=step,
            source=name,
            rows=tally.rows,
            tokens=tally.tokens,
            share=_size(tally) / total if total else 0.0,
            requested=tally.requested,
            available=tally.available,
            epochs=_size(tally) / tally.available if tally.available else None,
        )
        for name, tally in ordered
    ]


def _size(tally: SourceTally) -> int:
    return tally.rows if tally.tokens is None else tally.tokens
