"""The sections about steps: how many rows pass each of them, why rows were rejected, and how long each step took."""

from collections.abc import Iterator
from html import escape

from datajob.api.report import Report, StepReport
from datajob.engine.report.charts import bar
from datajob.engine.report.formatting import count, duration, removed_items, share
from datajob.engine.report.sections.parts import heads, legend


def steps(report: Report) -> Iterator[str]:
    """The rows that reach each step, and what happens to them."""
    if not report.steps:
        return
    most = max([1, *(max(step.rows_in, step.rows_out) for step in report.steps)])
    yield "<section><h2>Rows per step</h2>"
    yield '<p class="note">The rows that reach each step, and how many pass, are rejected or fail.</p>'
    yield legend(("i-kept", "passed on"), ("i-rejected", "rejected"), ("i-failed", "failed"))
    columns = (
        ("Step", ""),
        ("", ""),
        ("Rows in", "n o"),
        ("Rejected", "n"),
        ("Failed", "s o"),
        ("Rows out", "n"),
        ("% of input", "s o"),
    )
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    for step in report.steps:
        yield _step(step, most, report.progress.rows_in)
    yield "</tbody></table></section>"


def _step(step: StepReport, most: int, rows_read: int) -> str:
    rejected = _rejected(step)
    label = (
        f"{step.name}: {count(step.rows_in)} in, {count(step.rows_out)} out, "
        f"{count(rejected)} rejected, {count(step.failed)} failed"
    )
    removed = "".join(f"<br>{escape(line)}" for line in removed_items(step))
    unread = f"<br>{count(step.unread)} not read: <code>limit</code> had enough rows" if step.unread else ""
    parts = [("kept", step.rows_out / most), ("rejected", rejected / most), ("failed-rows", step.failed / most)]
    return (
        f'<tr><th scope="row"><code>{escape(step.name)}</code>{removed}{unread}</th><td>{bar(parts, label)}</td>'
        f'<td class="number optional">{count(step.rows_in)}</td><td class="number">{_or_none(rejected)}</td>'
        f'<td class="number optional">{_or_none(step.failed)}</td><td class="number">{count(step.rows_out)}</td>'
        f'<td class="number optional">{share(step.rows_out, rows_read)}</td></tr>'
    )


def reasons(report: Report) -> Iterator[str]:
    """The reasons for which each step rejected rows, the most frequent first."""
    yield "<section><h2>Why rows were rejected</h2>"
    found = [step for step in report.steps if step.rejected]
    if not found:
        yield '<p class="note">No rows were rejected.</p></section>'
        return
    yield '<p class="note">Each row counts once, for the first rule that rejected it. '
    yield "Percentages refer to the rows that reached the step.</p>"
    yield f"<table><thead>{heads(('Step and reason', ''), ('', ''), ('Rows', 'n'), ('Share', 's'))}</thead>"
    most = max(max(step.rejected.values()) for step in found)
    for step in found:
        yield f'<tbody><tr class="group"><th scope="rowgroup" colspan="2"><code>{escape(step.name)}</code></th>'
        yield _cells(_rejected(step), step)
        for reason, rows in sorted(step.rejected.items(), key=lambda item: (-item[1], item[0])):
            drawn = bar([("rejected", rows / max(1, most))], f"{reason}: {count(rows)}", height=10)
            name = escape(reason).replace("_", "_<wbr>")
            yield f'<tr><th scope="row" class="inner"><code>{name}</code></th><td>{drawn}</td>{_cells(rows, step)}'
        yield "</tbody>"
    yield "</table></section>"


def times(report: Report) -> Iterator[str]:
    """The processing time of each step."""
    total = sum(step.seconds for step in report.steps)
    if not total:
        return
    yield "<section><h2>Time per step</h2>"
    yield f'<p class="note">The run took {duration(report.seconds)}, including {duration(report.startup_seconds)} startup. '
    yield "The table shows the processing time of each step, summed over all workers.</p>"
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


def _rejected(step: StepReport) -> int:
    return sum(step.rejected.values())


def _cells(rows: int, step: StepReport) -> str:
    return f'<td class="number">{count(rows)}</td><td class="number">{share(rows, step.rows_in)}</td></tr>'


def _or_none(value: int) -> str:
    return count(value) if value else '<span class="none">0</span>'
