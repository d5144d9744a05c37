"""The report of a run as one HTML page that needs nothing but itself: no scripts, no requests, light and dark, printable.

Rows of the data appear in it as samples: everything is escaped, and the page's own policy forbids scripts and requests.
"""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from datajob.api.report import Histogram, Report, Sample, StepReport
from datajob.engine.report.charts import bar, histogram
from datajob.engine.report.formatting import count, counted, duration, share, size, speed
from datajob.engine.report.page_distributions import measures
from datajob.engine.report.page_parts import heads, legend
from datajob.engine.report.page_workers import workers

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STATES = {"running": "Running", "complete": "Complete", "failed": "Failed"}

TELLING_BINS = 3
"""Columns whose values are all about as long (ids, language codes) are left out of the charts."""


def render(report: Report) -> str:
    """The whole page."""
    style = files("datajob.engine.report").joinpath("report.css").read_text(encoding="utf-8")
    sections = (_figures, _steps, _reasons, measures, _lengths, _time, workers, _samples, _facts)
    lines = (
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(report.name)} – DataJob report</title>",
        f"<style>{style}</style></head><body><main>",
        *_header(report),
        *(line for section in sections for line in section(report)),
        f"<footer>Made by datajob {escape(report.version)}. The same figures for programs: report.json.</footer>",
        "</main></body></html>",
    )
    return "\n".join(lines) + "\n"


def dropped(step: StepReport) -> int:
    """Rows the step dropped, for whatever reason."""
    return sum(step.rejected.values())


def _header(report: Report) -> Iterator[str]:
    yield '<header><p class="kicker">DataJob report</p>'
    yield f'<div class="title"><h1>{escape(report.name)}</h1>'
    yield f'<span class="badge {report.state}">{_STATES[report.state]}</span></div>'
    ended = f" · finished {_moment(report.finished)}" if report.finished else ""
    attempt = f" · attempt {report.attempt}" if report.attempt > 1 else ""
    yield f'<p class="soft">Started {_moment(report.started)}{ended}{attempt}</p>'
    if report.message:
        yield f'<p class="message" role="alert">{escape(report.message)}</p>'
    yield "</header>"


def _figures(report: Report) -> Iterator[str]:
    rows, output, rates = report.progress, report.output, speed(report)
    files_read = f"{counted(report.input_files, 'file')}, {size(report.input_bytes)}"
    row_speed = f"{count(round(rates[1]))} rows/s, without start-up" if rates else "not measured"
    shards = f"{count(rows.shards_done)} / {count(rows.shards_total)}"
    yield '<section class="figures" aria-label="Key figures">'
    yield _figure("Rows read", count(rows.rows_in), files_read)
    yield _figure("Rows written", count(rows.rows_out), _of_read(rows.rows_out, rows.rows_in))
    yield _figure("Rows dropped", count(rows.rows_rejected), _of_read(rows.rows_rejected, rows.rows_in))
    yield _figure("Rows failed", count(rows.rows_failed), _of_read(rows.rows_failed, rows.rows_in))
    yield _figure("Output", size(output.bytes) if output else "–", counted(output.files, "file") if output else "not yet")
    yield _figure("Time", duration(report.seconds), f"{duration(report.startup_seconds)} of it start-up")
    yield _figure("Throughput", f"{size(rates[0])}/s" if rates else "–", row_speed)
    yield _figure("Work units", shards, f"{count(report.shards_reused)} kept from earlier attempts")
    yield "</section>"


def _of_read(part: int, rows_read: int) -> str:
    return f"{share(part, rows_read)} of the rows read" if rows_read else "of none"


def _figure(name: str, value: str, note: str) -> str:
    return f'<dl class="figure"><dt>{name}</dt><dd class="value">{value}</dd><dd class="beside">{note}</dd></dl>'


def _steps(report: Report) -> Iterator[str]:
    if not report.steps:
        return
    most = max([1, *(max(step.rows_in, step.rows_out) for step in report.steps)])
    yield "<section><h2>Rows through the steps</h2>"
    yield '<p class="note">How many rows reach each step, and what becomes of them.</p>'
    yield legend(("i-kept", "go on"), ("i-dropped", "dropped"), ("i-failed", "failed"))
    columns = (
        ("Step", ""),
        ("", ""),
        ("Rows in", "n o"),
        ("Dropped", "n"),
        ("Failed", "s o"),
        ("Rows out", "n"),
        ("Of all", "s o"),
    )
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    for step in report.steps:
        gone = dropped(step)
        outcome = f"{count(step.rows_out)} out, {count(gone)} dropped, {count(step.failed)} failed"
        parts = [("kept", step.rows_out / most), ("dropped", gone / most), ("failed-rows", step.failed / most)]
        yield (
            f'<tr><th scope="row"><code>{escape(step.name)}</code></th>'
            f"<td>{bar(parts, f'{step.name}: {count(step.rows_in)} in, {outcome}')}</td>"
            f'<td class="number optional">{count(step.rows_in)}</td><td class="number">{_or_none(gone)}</td>'
            f'<td class="number optional">{_or_none(step.failed)}</td><td class="number">{count(step.rows_out)}</td>'
            f'<td class="number optional">{share(step.rows_out, report.progress.rows_in)}</td></tr>'
        )
    yield "</tbody></table></section>"


def _reasons(report: Report) -> Iterator[str]:
    yield "<section><h2>Why rows were dropped</h2>"
    steps = [step for step in report.steps if step.rejected]
    if not steps:
        yield '<p class="note">No row was dropped.</p></section>'
        return
    yield '<p class="note">By the first rule that dropped them. Shares are of the rows that reached the step.</p>'
    yield f"<table><thead>{heads(('Step and reason', ''), ('', ''), ('Rows', 'n'), ('Share', 's'))}</thead>"
    most = max(max(step.rejected.values()) for step in steps)
    for step in steps:
        yield f'<tbody><tr class="group"><th scope="rowgroup" colspan="2"><code>{escape(step.name)}</code></th>'
        yield _cells(dropped(step), step)
        for reason, rows in sorted(step.rejected.items(), key=lambda item: (-item[1], item[0])):
            drawn = bar([("dropped", rows / max(1, most))], f"{reason}: {count(rows)}", height=10)
            name = escape(reason).replace("_", "_<wbr>")
            yield f'<tr><th scope="row" class="inner"><code>{name}</code></th><td>{drawn}</td>{_cells(rows, step)}'
        yield "</tbody>"
    yield "</table></section>"


def _cells(rows: int, step: StepReport) -> str:
    return f'<td class="number">{count(rows)}</td><td class="number">{share(rows, step.rows_in)}</td></tr>'


def _lengths(report: Report) -> Iterator[str]:
    shown = [each for each in report.histograms if sum(map(bool, each.read)) >= TELLING_BINS]
    if not shown:
        return
    yield "<section><h2>Lengths before and after</h2>"
    yield '<p class="note">Rows by the length of each column; every column of the chart is twice as long as the one before.</p>'
    yield legend(("i-before", "rows read"), ("i-kept", "rows written"))
    yield '<div class="charts">'
    for each in shown:
        yield _length_chart(each)
    yield "</div></section>"


def _length_chart(each: Histogram) -> str:
    said = f"Length of {each.column} in {each.unit}: {count(sum(each.read))} values read, {count(sum(each.written))} written"
    caption = f'<code>{escape(each.column)}</code> <span class="soft">in {each.unit}</span>'
    return f"<figure><figcaption>{caption}</figcaption>{histogram(each.read, each.written, each.unit, said)}</figure>"


def _time(report: Report) -> Iterator[str]:
    total = sum(step.seconds for step in report.steps)
    if not total:
        return
    yield "<section><h2>Where the time went</h2>"
    yield f'<p class="note">By the clock: {duration(report.startup_seconds)} to start, {duration(report.seconds)} in all.'
    yield "Below, the processor time of each step, summed over all workers.</p>"
    columns = (("Step", ""), ("", ""), ("Time", "n"), ("Share", "s"), ("Rows/s", "n o"))
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    most = max(step.seconds for step in report.steps)
    for step in report.steps:
        drawn = bar([("kept", step.seconds / most)], f"{step.name}: {duration(step.seconds)}", height=10)
        rows = count(round(step.rows_in / step.seconds)) if step.seconds else "–"
        yield (
            f'<tr><th scope="row"><code>{escape(step.name)}</code></th><td>{drawn}</td>'
            f'<td class="number">{duration(step.seconds)}</td><td class="number">{share(step.seconds, total)}</td>'
            f'<td class="number optional">{rows}</td></tr>'
        )
    yield "</tbody></table></section>"


def _samples(report: Report) -> Iterator[str]:
    kept = [sample for sample in report.samples if sample.reason is None]
    gone: dict[tuple[str, str], list[Sample]] = {}
    for sample in report.samples:
        if sample.reason is not None:
            gone.setdefault((sample.step, sample.reason), []).append(sample)
    if not report.samples:
        return
    yield "<section><h2>Rows as examples</h2>"
    yield '<p class="note">The first few rows of each kind, values shortened. Judge by them whether the rules fit the data.</p>'
    if kept:
        yield from _group(f"Kept ({len(kept)})", kept, "is-kept", is_open=True)
    for (step, reason), samples in gone.items():
        label = f"Dropped by <code>{escape(step)}</code>: <code>{escape(reason)}</code> ({len(samples)})"
        yield from _group(label, samples, "is-dropped", is_open=False)
    yield "</section>"


def _group(label: str, samples: Sequence[Sample], css: str, *, is_open: bool) -> Iterator[str]:
    yield f"<details{' open' if is_open else ''}><summary>{label}</summary>"
    for sample in samples:
        cells = (f'<dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd>' for name, value in sample.row.items())
        yield f'<dl class="row {css}">{"".join(cells)}</dl>'
    yield "</details>"


def _facts(report: Report) -> Iterator[str]:
    output = report.output
    facts = [("Job", report.name), ("State", _STATES[report.state]), ("Started", report.started)]
    facts += [("Finished", report.finished or "–"), ("Attempt", str(report.attempt)), ("Engine", f"datajob {report.version}")]
    if report.exit_code is not None:
        facts.append(("Exit code", str(report.exit_code)))
    if output:
        wrote = f"{counted(output.rows, 'row')} in {counted(output.files, 'file')}, {size(output.bytes)}"
        facts += [("Result", wrote), ("Manifest", output.manifest)]
    yield '<section><h2>Result and run</h2><dl class="facts">'
    yield from (f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    yield "</dl></section>"


def _or_none(value: int) -> str:
    return count(value) if value else '<span class="none">0</span>'


def _moment(time: str) -> str:
    """`2026-01-02T03:04:05.678Z` -> `2026-01-02 03:04:05 UTC`."""
    day, _, clock = time.partition("T")
    zone = " UTC" if clock.endswith(("Z", "+00:00")) else ""
    return f'<time datetime="{escape(time)}">{escape(day)} {escape(clock[:8])}{zone}</time>'
