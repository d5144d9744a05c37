"""The section about sources: rows and tokens of each of them, and the shares that a mixture requests and reaches."""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from datajob.api.report import Report, SourceReport
from datajob.engine.report.charts import bar
from datajob.engine.report.formatting import count, share
from datajob.engine.report.sections.parts import heads


def sources(report: Report) -> Iterator[str]:
    """One table row per source for each step that counted them; nothing if no step did."""
    if not report.sources:
        return
    yield "<section><h2>Sources</h2>"
    yield '<p class="note">Shares refer to tokens if the step counts them, otherwise to rows. A mixture requests shares; '
    yield "epochs are how often it contains a source, on average.</p>"
    columns = (
        ("Step and source", ""),
        ("", ""),
        ("Rows", "n o"),
        ("Tokens", "n"),
        ("Share", "s"),
        ("Requested", "n o"),
        ("Epochs", "s o"),
    )
    yield f"<table><thead>{heads(*columns)}</thead>"
    for step, found in groupby(report.sources, key=lambda source: source.step):
        yield f'<tbody><tr class="group"><th scope="rowgroup" colspan="7"><code>{escape(step)}</code></th></tr>'
        yield from map(_row, found)
        yield "</tbody>"
    yield "</table></section>"


def _row(source: SourceReport) -> str:
    drawn = bar([("kept", source.share)], f"{source.source}: {share(source.share, 1)}", height=10)
    requested = "" if source.requested is None else share(source.requested, 1)
    return (
        f'<tr><th scope="row" class="inner">{escape(source.source)}</th><td>{drawn}</td>'
        f'<td class="number optional">{count(source.rows)}</td>'
        f'<td class="number">{"" if source.tokens is None else count(source.tokens)}</td>'
        f'<td class="number">{share(source.share, 1)}</td><td class="number optional">{requested}</td>'
        f'<td class="number optional">{"" if source.epochs is None else f"{source.epochs:.2f}"}</td></tr>'
    )
