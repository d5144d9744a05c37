"""A report as plain text: what became of the rows, step by step, and where the result is."""

import posixpath
from collections.abc import Iterator, Sequence

import click

from datajob.api.report import Report
from datajob.engine.report.formatting import count, counted, duration, share, size, speed

_HEADS = ("Step", "Rows in", "Rows out", "Dropped", "Failed", "Seconds")


def report_text(report: Report) -> str:
    """The whole text: headline, a table per step with reasons, the result."""
    return "\n".join([_headline(report), "", *step_table(report), "", *_result(report)])


def step_table(report: Report) -> Iterator[str]:
    """One line per step, and below it one per reason for which it dropped rows."""
    rows: list[tuple[str, ...]] = [_HEADS]
    for step in report.steps:
        gone = sum(step.rejected.values())
        figures = (step.rows_in, step.rows_out, gone, step.failed)
        rows.append((step.name, *map(count, figures), f"{step.seconds:,.1f}"))
        for reason, dropped in step.rejected.items():
            rows.append((f"  {reason} ({share(dropped, step.rows_in)})", "", "", count(dropped), "", ""))
    for index, line in enumerate(aligned(rows)):
        yield click.style(line, bold=True) if index == 0 else click.style(line, dim=True) if line.startswith(" ") else line


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table: names to the left, all other columns are figures."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *figures in rows:
        cells = (f"{text:>{width}}" for text, width in zip(figures, widths[1:], strict=True))
        yield "  ".join([f"{name:<{widths[0]}}", *cells]).rstrip()


def _headline(report: Report) -> str:
    color = {"complete": "green", "failed": "red", "running": "blue"}[report.state]
    rows = report.progress
    parts = [
        f"{count(rows.rows_in)} rows read, {count(rows.rows_out)} written ({share(rows.rows_out, rows.rows_in)})",
        f"{duration(report.seconds)}, {duration(report.startup_seconds)} of it start-up",
    ]
    if rates := speed(report):
        parts.append(f"{size(rates[0])}/s")
    if report.state == "running":
        parts.append(f"{rows.percent} % done")
    said = f"{report.name}: {click.style(report.state, fg=color, bold=True)}. {'; '.join(parts)}."
    return f"{said}\n{report.message}" if report.message else said


def _result(report: Report) -> Iterator[str]:
    output = report.output
    if output is None:
        return
    folder = posixpath.dirname(output.manifest)
    wrote = f"{counted(output.rows, 'row')}, {counted(output.files, 'file')}, {size(output.bytes)}"
    yield f"Result  {posixpath.dirname(folder)} ({wrote})"
    yield f"Report  {folder}/report.html (figures for programs: {folder}/report.json)"
