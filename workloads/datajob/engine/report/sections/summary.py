"""The key metrics at the top of the page, and the details of the run at its end."""

from collections.abc import Iterator
from html import escape

from datajob.api.report import Report
from datajob.engine.report.formatting import count, counted, duration, share, share_of_rows, size, speed
from datajob.engine.report.sections.parts import STATES


def summary(report: Report) -> Iterator[str]:
    """Rows, output, duration and throughput."""
    rows, output, rates = report.progress, report.output, speed(report)
    input_files = f"{counted(report.input_files, 'file')}, {size(report.input_bytes)}"
    row_speed = f"{count(round(rates[1]))} rows/s, excluding startup" if rates else "not measured"
    shards = f"{count(rows.shards_done)} / {count(rows.shards_total)}"
    yield '<section class="metrics" aria-label="Key metrics">'
    yield _metric("Rows read", count(rows.rows_in), input_files)
    yield _metric("Rows written", count(rows.rows_out), _of_read(rows.rows_out, rows.rows_in))
    yield _metric("Rows rejected", count(rows.rows_rejected), share_of_rows(rows.rows_rejected, report))
    yield _metric("Rows failed", count(rows.rows_failed), share_of_rows(rows.rows_failed, report))
    yield _metric("Output", size(output.bytes) if output else "–", counted(output.files, "file") if output else "not written")
    yield _metric("Duration", duration(report.seconds), f"including {duration(report.startup_seconds)} startup")
    yield _metric("Throughput", f"{size(rates[0])}/s" if rates else "–", row_speed)
    yield _metric("Shards", shards, f"{count(report.shards_reused)} reused from earlier attempts")
    yield "</section>"


def details(report: Report) -> Iterator[str]:
    """What identifies the run and its result."""
    output = report.output
    found = [("Job", report.name), ("State", STATES[report.state]), ("Started", report.started)]
    found += [("Finished", report.finished or "–"), ("Attempt", str(report.attempt)), ("Version", f"DataJob {report.version}")]
    if report.exit_code is not None:
        found.append(("Exit code", str(report.exit_code)))
    if output:
        written = f"{counted(output.rows, 'row')} in {counted(output.files, 'file')}, {size(output.bytes)}"
        found += [("Result", written), ("Manifest", output.manifest)]
    yield '<section><h2>Run details</h2><dl class="facts">'
    yield from (f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in found)
    yield "</dl></section>"


def _of_read(part: int, rows_read: int) -> str:
    return f"{share(part, rows_read)} of rows read" if rows_read else "no rows read"


def _metric(name: str, value: str, note: str) -> str:
    return f'<dl class="metric"><dt>{name}</dt><dd class="value">{value}</dd><dd class="detail">{note}</dd></dl>'
