"""The section about the lengths of columns, before and after the job."""

from collections.abc import Iterator
from html import escape

from datajob.api.report import Histogram, Report
from datajob.engine.report.charts import histogram
from datajob.engine.report.formatting import count
from datajob.engine.report.sections.parts import legend

INFORMATIVE_BINS = 3
"""The charts omit columns with fewer filled bins: their values all have about the same length, like IDs and language codes."""


def lengths(report: Report) -> Iterator[str]:
    """One histogram per column of strings or binary; nothing if no column is informative."""
    shown = [each for each in report.histograms if sum(map(bool, each.read)) >= INFORMATIVE_BINS]
    if not shown:
        return
    yield "<section><h2>Lengths before and after</h2>"
    yield '<p class="note">The number of rows by length. Each bar covers lengths twice as large as the bar to its left.</p>'
    yield legend(("i-before", "rows read"), ("i-kept", "rows written"))
    yield '<div class="charts">'
    for each in shown:
        yield _chart(each)
    yield "</div></section>"


def _chart(each: Histogram) -> str:
    label = f"Length of {each.column} in {each.unit}: {count(sum(each.read))} values read, {count(sum(each.written))} written"
    caption = f'<code>{escape(each.column)}</code> <span class="soft">in {each.unit}</span>'
    return f"<figure><figcaption>{caption}</figcaption>{histogram(each.read, each.written, each.unit, label)}</figure>"
