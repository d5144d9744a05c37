"""The measures that an analysis found, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import click

from datajob.api.report import Measure, Report, Threshold
from datajob.engine.report.formatting import can_reject, counted, number, share
from datajob.python.tables import aligned

if TYPE_CHECKING:
    import pandas as pd

Rows = Sequence[tuple[str, ...]]
"""Cells of a table; the first row is the head. In a row without values the first cell is the title of a group."""


@dataclass(frozen=True, repr=False)
class Analysis:
    """What an analysis measured. In a notebook it shows the distributions and the limits as tables."""

    report: Report
    """The report of the analysis."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures: the distribution of each, and what limits would reject."""
        found = self.report.measures
        return tuple(m for m in found if m.step == found[-1].step)  # a step of the job may be `analyze`, too

    def to_pandas(self) -> pd.DataFrame:
        """One row for each measure.

        Returns:
            A `pandas.DataFrame` with the columns `filter`, `measure`, `rows`, `missing`, `lowest`, `highest` and the
            percentiles `p1` to `p99`.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "filter": m.of,
                    "measure": m.name,
                    "rows": m.rows,
                    "missing": m.missing,
                    "lowest": m.lowest,
                    "highest": m.highest,
                    **m.quantiles,
                }
                for m in self.measures
            ]
        )

    def __repr__(self) -> str:
        return analysis_text(self, color=False)

    def _repr_html_(self) -> str:
        if not self.measures:
            return f"<div>{escape(_headline(self))}</div>"
        tables = (_html(rows) for rows in (_distributions(self.measures), _limits(self)) if len(rows) > 1)
        return f"<div>{escape(_headline(self))}</div>{''.join(tables)}"


def analysis_text(analysis: Analysis, *, color: bool = True) -> str:
    """Two tables: how the measures are distributed, and what limits would reject."""
    if not analysis.measures:
        return _headline(analysis)
    tables = [_distributions(analysis.measures), _limits(analysis)]
    return "\n\n".join([_headline(analysis), *("\n".join(_styled(rows, color)) for rows in tables if len(rows) > 1)])


def _headline(analysis: Analysis) -> str:
    if not analysis.measures:
        return f"{analysis.report.name}: no values to measure."
    return f"{analysis.report.name}: measured {counted(_total(analysis), 'row')}."


def _total(analysis: Analysis) -> int:
    return max(measure.rows + measure.missing for measure in analysis.measures)


def _distributions(measured: Sequence[Measure]) -> Rows:
    rows: list[tuple[str, ...]] = [("Measure", *measured[0].quantiles)]
    for of, group in groupby(measured, key=lambda measure: measure.of):
        rows.append((of, *[""] * (len(rows[0]) - 1)))
        rows += [(f"  {measure.name}", *map(number, measure.quantiles.values())) for measure in group]
    return rows


def _limits(analysis: Analysis) -> Rows:
    rows: list[tuple[str, ...]] = [("Limit", "In the job", "Rejects", "Default", "Rejects", "Suggested", "Rejects")]
    total = _total(analysis)
    for of, group in groupby(analysis.measures, key=lambda measure: measure.of):
        limits = [(measure, t) for measure in group for t in measure.thresholds if can_reject(t)]
        if limits:
            rows.append((of, *[""] * 6))
            rows += [_limit(measure, threshold, total) for measure, threshold in limits]
    return rows


def _limit(measure: Measure, limit: Threshold, total: int) -> tuple[str, ...]:
    here = (number(limit.limit), share(limit.rejected, total)) if measure.in_job else ("", "")
    default = ("", "")
    if limit.default is not None and limit.default_rejected is not None:
        default = number(limit.default), share(limit.default_rejected, total)
    of = "" if limit.parameter == limit.side else f" of {measure.name}"
    return f"  {limit.parameter}{of}", *here, *default, number(limit.suggested), share(limit.suggested_rejected, total)


def _styled(rows: Rows, color: bool) -> Iterator[str]:
    for index, line in enumerate(aligned(rows)):
        plain = line.startswith(" ") or not color
        yield line if plain else click.style(line, bold=index == 0, fg="cyan" if index else None)


def _html(rows: Rows) -> str:
    cell = "text-align:right;padding:2px 10px;font-variant-numeric:tabular-nums"
    lines = []
    for index, (name, *values) in enumerate(rows):
        tag = "th" if index == 0 else "td"
        title = f"<b>{escape(name)}</b>" if index and not any(values) else escape(name.strip())
        cells = "".join(f'<{tag} style="{cell}">{escape(value)}</{tag}>' for value in values)
        lines.append(f'<tr><{tag} style="text-align:left;padding:2px 10px">{title}</{tag}>{cells}</tr>')
    return f'<table style="border-collapse:collapse;margin:6px 0">{"".join(lines)}</table>'
