"""The section about what `analyze` steps measured: small histograms, percentiles, limits."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from datajob.api.report import Measure, Report, Threshold
from datajob.engine.report.charts import distribution
from datajob.engine.report.formatting import can_reject, count, number, share
from datajob.engine.report.sections.parts import legend

_NOTE = (
    "Each chart omits 0.5% of the rows at each end and uses bins of equal ratio if the values vary widely. Below the chart, "
    "the box covers the middle 50% of the rows, the mark is the median, and the line covers the middle 90%. A suggested "
    "limit rejects at most 1% of the rows: use it as a starting point, not as a judgment of quality."
)


def measures(report: Report) -> Iterator[str]:
    """The measures of each `analyze` step, grouped by filter; nothing if no step measured anything."""
    if not report.measures:
        return
    yield f'<section><h2>Measures</h2><p class="note">{_NOTE}</p>'
    yield legend(("i-before", "rows"), ("i-kept", "middle 50%"), ("i-failed", "beyond a limit"))
    for step, found in groupby(report.measures, key=lambda measure: measure.step):
        several = any(measure.step != step for measure in report.measures)
        if several:
            yield f"<h3>Step <code>{escape(step)}</code></h3>"
        for of, group in groupby(found, key=lambda measure: measure.of):
            yield from _group(of, list(group))
    yield "</section>"


def _group(of: str, group: Sequence[Measure]) -> Iterator[str]:
    origin = "in the job" if group[0].in_job else "numeric columns" if of == "columns" else "not in the job, default limits"
    is_open = " open" if group[0].in_job or of == "columns" else ""
    yield f'<details{is_open}><summary><code>{escape(of)}</code> <span class="soft">{origin}</span></summary>'
    yield '<div class="measures">'
    yield from map(_chart, group)
    yield "</div></details>"


def _chart(measure: Measure) -> str:
    shown = [limit for limit in measure.thresholds if can_reject(limit)]
    limits = [(limit.side, limit.limit) for limit in shown]
    p1, p50, p99 = (number(measure.quantiles[name]) for name in ("p1", "p50", "p99"))
    missing = f", {count(measure.missing)} without a value" if measure.missing else ""
    label = f"{measure.name}: median {p50}, 1% below {p1}, 1% above {p99}; {count(measure.rows)} rows{missing}"
    chart = distribution(measure.edges, measure.counts, measure.quantiles, limits, label)
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
    others = [("suggested", limit.suggested, limit.suggested_rejected)]
    if limit.default not in (None, limit.limit):
        others.insert(0, ("default", limit.default or 0.0, limit.default_rejected or 0))
    compared = " · ".join(f"{kind} {number(value)} ({share(rejected, total)})" for kind, value, rejected in others)
    rejects = f"rejects <b>{share(limit.rejected, total)}</b>"
    return f'<p class="limits">{name} {rejects}<br><span class="soft">{compared}</span></p>'
