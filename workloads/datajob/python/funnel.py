"""A report as a small piece of HTML for notebooks: what each step did to the rows. Self-contained, for light and dark."""

from collections.abc import Iterator
from html import escape

from datajob.api.report import Report, StepReport
from datajob.engine.report.formatting import count, removed_items, share
from datajob.python.tables import headline, result_lines

_CELL = "text-align:right;padding:2px 10px;font-variant-numeric:tabular-nums"
_NAME = "text-align:left;padding:2px 10px;white-space:nowrap"
_HEADS = ("Rows in", "Rows out", "Rejected", "Failed")


def funnel_html(report: Report) -> str:
    """Headline, one table row for each step and each reason, and where the result is."""
    heads = "".join(f'<th style="{_CELL}">{head}</th>' for head in _HEADS)
    most = max((step.rows_in for step in report.steps), default=0)
    rows = "".join(row for step in report.steps for row in _rows(step, most))
    lines = "".join(f"<div>{escape(line)}</div>" for line in result_lines(report))
    return (
        f"<div>{escape(headline(report, color=False))}</div>"
        f'<table style="border-collapse:collapse;margin:6px 0"><thead><tr><th style="{_NAME}">Step</th>'
        f"{heads}<th></th></tr></thead><tbody>{rows}</tbody></table>{lines}"
    )


def _rows(step: StepReport, most: int) -> Iterator[str]:
    figures = (step.rows_in, step.rows_out, sum(step.rejected.values()), step.failed)
    cells = "".join(f'<td style="{_CELL}">{count(value)}</td>' for value in figures)
    width = 100 * step.rows_out / most if most else 0
    bar = f'<div style="background:#2a78d6;height:10px;width:{width:.1f}%"></div>'
    track = f'<div style="background:rgba(127,127,127,.2);width:120px">{bar}</div>'
    yield f'<tr><td style="{_NAME}"><b>{escape(step.name)}</b></td>{cells}<td style="padding:2px 10px">{track}</td></tr>'
    if step.unread:
        yield _note(f"{count(step.unread)} not read: <code>limit</code> had enough rows")
    for line in removed_items(step):
        yield _note(escape(line))
    for reason, rejected in step.rejected.items():
        label = f"{escape(reason)} ({share(rejected, step.rows_in)})"
        yield (
            f'<tr style="opacity:.7"><td style="{_NAME};padding-left:26px">{label}</td><td></td><td></td>'
            f'<td style="{_CELL}">{count(rejected)}</td><td></td><td></td></tr>'
        )


def _note(label: str) -> str:
    return f'<tr style="opacity:.7"><td style="{_NAME};padding-left:26px">{label}</td><td colspan="5"></td></tr>'
