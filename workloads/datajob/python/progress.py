"""The progress of a run on stderr: a live line on a terminal, otherwise a plain line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from datajob.api.report import Report
from datajob.engine.events import Event, Finished, Note, Progressed, Started
from datajob.engine.report.formatting import count, counted, duration, number, size, speed

EVERY_SECONDS = 5.0
"""Between plain lines."""


@contextmanager
def watching(name: str, *, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """What to call with the events of the run of the job `name`."""
    console = Console(stderr=True)
    if quiet:
        yield lambda event: None
    elif not console.is_terminal:
        yield _PlainLines(name)
    else:
        view = _LiveView(name)
        with Live(get_renderable=view.render, console=console, refresh_per_second=5, transient=True) as live:
            view.above = partial(live.console.print, highlight=False)
            yield view


def started_text(event: Started) -> str:
    """The size of the input and of the work."""
    read = f"{counted(event.input_files, 'file')}, {size(event.input_bytes)}"
    return f"{read} in {counted(event.shards, 'shard')}, {counted(event.stages, 'stage')}"


def progress_text(report: Report) -> str:
    """The rows so far, the speed and the shards."""
    rows, rates = report.progress, speed(report)
    parts = [f"{count(rows.rows_in)} rows in, {count(rows.rows_out)} out"]
    if rows.rows_rejected:
        parts.append(f"{count(rows.rows_rejected)} rejected")
    if rows.rows_failed:
        parts.append(f"{count(rows.rows_failed)} failed")
    if rates:
        parts.append(f"{size(rates[0])}/s")
    if rows.rows_per_second:
        parts.append(f"{number(rows.rows_per_second)} rows/s")
    if rows.bottleneck:
        parts.append(f"limited by {'the CPUs' if rows.bottleneck == 'cpu' else f'the model of {rows.bottleneck}'}")
    return ", ".join([*parts, f"{rows.shards_done}/{rows.shards_total} shards"])


class _PlainLines:
    """One line at the start, then one every few seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._say(started_text(event))
        elif isinstance(event, Note):
            self._say(event.message)
        elif isinstance(event, Progressed) and time.monotonic() - self.last >= EVERY_SECONDS:
            eta = event.report.progress.eta_seconds
            left = f", {duration(eta)} left" if eta else ""
            self._say(f"{event.report.progress.percent:3d}%  {progress_text(event.report)}{left}")

    def _say(self, text: str) -> None:
        click.echo(f"{self.name}: {text}", err=True)
        self.last = time.monotonic()


class _LiveView:
    """A spinner until the first shard is committed, then a bar with counts. Another thread renders it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.above: Callable[[str], None] = print
        self.began = time.monotonic()
        self.stage = "starting"
        self.report: Report | None = None
        self.reported = self.began
        self.spinner = Spinner("dots")

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.above(f"{self.name}: {started_text(event)}")
            self.stage = "processing the first shard"
        elif isinstance(event, Note):
            self.above(event.message)
        elif isinstance(event, Progressed | Finished):
            self.report, self.reported = event.report, time.monotonic()

    def render(self) -> Group | Table:
        now = time.monotonic()
        line = Table.grid(padding=(0, 1))
        if self.report is None:
            line.add_row(self.spinner, Text(f"{self.name}: {self.stage}, {duration(int(now - self.began))}"))
            return line
        progress = self.report.progress
        left = progress.eta_seconds
        eta = f"{duration(max(0, round(left - (now - self.reported))))} left" if left else ""
        bar = ProgressBar(total=100, completed=progress.percent, width=28)
        line.add_row(self.spinner, Text(self.name, style="bold"), bar, f"{progress.percent}%", Text(eta, style="dim"))
        return Group(line, Text(f"  {progress_text(self.report)}", style="dim"))
