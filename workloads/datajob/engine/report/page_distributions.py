"""The section of the report's page on what `analyze` steps measured: small histograms, percentiles, limits."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from datajob.api.report import Measure, Report, Threshold
from datajob.engine.report.charts import distribution
from datajob.engine.report.formatting import can_drop, count, number, share

_NOTE = (
    "Each chart leaves out 0.5 % of the rows at each end; its bins are of equal ratio where numbers spread widely. Below it, "
    "the box holds the middle half of the rows, its mark the median, its line all but 5 % at each end. A limit is suggested "
    "so that at most 1 % of the rows lie beyond it: a place to begin, not a judgement of quality."
)


def measures(report: Report) -> Iterator[str]:
    """The section; nothing when no step measured anything."""
    if not report.measures:
        return
    yield f'<section><h2>Measures</h2><p class="note">{_NOTE}</p>'
    yield '<ul class="legend"><li><i class="i-before" aria-hidden="true"></i>rows</li>'
    yield '<li><i class="i-kept" aria-hidden="true"></i>middle half</li>'
    yield '<li><i class="i-failed" aria-hidden="true"></i>beyond a limit</li></ul>'
    for step, found in groupby(report.measures, key=lambda measure: measure.step):
        several = any(measure.step != step for measure in report.measures)
        if several:
            yield f"<h3>At <code>{escape(step)}</code></h3>"
        for of, group in groupby(found, key=lambda measure: measure.of):
            yield from _group(of, list(group))
    yield "</section>"


def _group(of: str, group: Sequence[Measure]) -> Iterator[str]:
    said = "in the job" if group[0].in_job else "numeric columns" if of == "columns" else "not in the job: defaults"
    is_open = " open" if group[0].in_job or of == "columns" else ""
    yield f'<details{is_open}><summary><code>{escape(of)}</code> <span class="soft">{said}</span></summary>'
    yield '<div class="measures">'
    yield from map(_figure, group)
    yield "</div></details>"


def _figure(measure: Measure) -> str:
    shown = [limit for limit in measure.thresholds if can_drop(limit)]
    limits = [(limit.side, limit.limit) for limit in shown]
    p1, p50, p99 = (number(measure.quantiles[name]) for name in ("p1", "p50", "p99"))
    missing = f", {count(measure.missing)} without" if measure.missing else ""
    said = f"{measure.name}: median {p50}, 1 % below {p1}, 1 % above {p99}; {count(measure.rows)} rows{missing}"
    chart = distribution(measure.edges, measure.counts, measure.quantiles, limits, said)
    name = escape(measure.name).replace("_", "_<wbr>")
    total = measure.rows + measure.missing
    return (
        f"<figure><figcaption><code>{name}</code></figcaption>{chart}{_percentiles(measure)}"
        f"{''.join(_limit(limit, total) for limit in shown)}</figure>"
    )


def _percentiles(measure: Measure) -> str:
    cells = (f"<div><dt>{name}</dt><dd>{number(value)}</dd></div>" for name, value in measure.quantiles.items())
    return f'<dl class="percentiles">{"".join(cells)}</dl>'


def _limit(limit: Threshold, total: int) -> str:
    name = f"<code>{escape(limit.parameter)}: {number(limit.limit)}</code>"
    others = [("suggested", limit.suggested, limit.suggested_dropped)]
    if limit.default not in (None, limit.limit):
        others.insert(0, ("default", limit.default or 0.0, limit.default_dropped or 0))
    said = " · ".join(f"{kind} {number(value)} ({share(dropped, total)})" for kind, value, dropped in others)
    return f'<p class="limits">{name} drops <b>{share(limit.dropped, total)}</b><br><span class="soft">{said}</span></p>'
