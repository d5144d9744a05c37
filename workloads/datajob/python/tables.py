"""A report as plain text: how many rows each step kept, rejected and failed, and where the result is."""

import posixpath
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import click

from datajob.api.report import Report
from datajob.engine.report.formatting import count, counted, duration, removed_items, share, size, speed

_HEADS = ("Step", "Rows in", "Rows out", "Rejected", "Failed", "Seconds")


def report_text(report: Report, *, color: bool = True) -> str:
    """Headline, a table of the steps with the reasons for rejections, and the result."""
    tables = [*step_table(report, color=color), "", *source_table(report, color=color)]
    return "\n".join([headline(report, color=color), "", *tables, *result_lines(report)])


def step_table(report: Report, *, color: bool = True) -> Iterator[str]:
    """One line per step, and below it one per reason for which it rejected rows."""
    rows: list[tuple[str, ...]] = [_HEADS]
    for step in report.steps:
        counts = (step.rows_in, step.rows_out, sum(step.rejected.values()), step.failed)
        rows.append((step.name, *map(count, counts), f"{step.seconds:,.1f}"))
        for reason, rejected in step.rejected.items():
            rows.append((f"  {reason} ({share(rejected, step.rows_in)})", "", "", count(rejected), "", ""))
        rows += [(f"  {line}", "", "", "", "", "") for line in removed_items(step)]
        if step.unread:
            rows.append((f"  {count(step.unread)} not read: `limit` had enough rows", "", "", "", "", ""))
    for index, line in enumerate(aligned(rows)):
        yield _style(line, color, bold=index == 0 or None, dim=line.startswith(" ") or None)


def source_table(report: Report, *, color: bool = True) -> Iterator[str]:
    """For each step that counted sources, one line per source, and an empty line; nothing if no step did."""
    if not report.sources:
        return
    rows: list[tuple[str, ...]] = [("Source", "Rows", "Tokens", "Share", "Requested", "Epochs")]
    for step, found in groupby(report.sources, key=lambda source: source.step):
        rows.append((step, "", "", "", "", ""))
        for source in found:
            tokens = "" if source.tokens is None else count(source.tokens)
            requested = "" if source.requested is None else share(source.requested, 1)
            epochs = "" if source.epochs is None else f"{source.epochs:.2f}"
            rows.append((f"  {source.source}", count(source.rows), tokens, share(source.share, 1), requested, epochs))
    for index, line in enumerate(aligned(rows)):
        yield _style(line, color, bold=index == 0 or None, dim=line.startswith(" ") or None)
    yield ""


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table: the first column is aligned left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *values in rows:
        cells = (f"{text:>{width}}" for text, width in zip(values, widths[1:], strict=True))
        yield "  ".join([f"{name:<{widths[0]}}", *cells]).rstrip()


def headline(report: Report, *, color: bool = True) -> str:
    """State, totals, duration and speed in one line; the error message of a failed run on a second one."""
    colors = {"complete": "green", "failed": "red", "running": "blue"}
    rows = report.progress
    parts = [
        f"{count(rows.rows_in)} rows read, {count(rows.rows_out)} written ({share(rows.rows_out, rows.rows_in)})",
        f"{duration(report.seconds)}, including {duration(report.startup_seconds)} startup",
    ]
    if rates := speed(report):
        parts.append(f"{size(rates[0])}/s")
    if report.state == "running":
        parts.append(f"{rows.percent}% done")
    line = f"{report.name}: {_style(report.state, color, fg=colors[report.state], bold=True)}. {'; '.join(parts)}."
    return f"{line}\n{report.message}" if report.message else line


def result_lines(report: Report) -> Iterator[str]:
    """Where the result and the report are; nothing while there is no result."""
    output = report.output
    if output is None:
        return
    folder = posixpath.dirname(output.manifest)
    written = f"{counted(output.rows, 'row')}, {counted(output.files, 'file')}, {size(output.bytes)}"
    yield f"Result  {posixpath.dirname(folder)} ({written})"
    yield f"Report  {folder}/report.html (JSON: {folder}/report.json)"


def _style(text: str, color: bool, **style: Any) -> str:
    return click.style(text, **style) if color and any(style.values()) else text
