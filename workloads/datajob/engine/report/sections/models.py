"""The section about the worker processes that ran models: device, activity over time, throughput."""

from collections.abc import Iterator
from datetime import datetime
from html import escape

from datajob.api.report import Report, WorkerReport
from datajob.engine.report.charts import bar
from datajob.engine.report.formatting import count, counted, duration, number, share
from datajob.engine.report.sections.parts import heads, legend

_NOTE = (
    "Each line is a worker process with its own copy of the models, from its first batch to its last. "
    "“Busy” is the share of that time during which its models were running; otherwise they were waiting for rows."
)


def models(report: Report) -> Iterator[str]:
    """One line per worker process; nothing if no step runs a model."""
    if not report.workers:
        return
    spans = {worker.name: (_seconds(worker.first), _seconds(worker.last)) for worker in report.workers}
    began, ended = min(first for first, _ in spans.values()), max(last for _, last in spans.values())
    reused = report.model_outputs_reused
    reuse = (
        f" Model outputs of {counted(reused, 'row')} were reused from shards that an attempt did not finish." if reused else ""
    )
    yield f'<section><h2>Model workers</h2><p class="note">{_NOTE}{reuse}</p>'
    yield legend(("i-kept", "busy"), ("i-before", "waiting"))
    columns = (("Process", ""), ("", ""), ("Device", "s o"), ("Rows", "n"), ("Busy", "s"), ("Rows/s", "n"))
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    for worker in report.workers:
        yield _line(worker, *spans[worker.name], began, max(ended - began, 1e-3))
    yield "</tbody></table>"
    yield from _pools(report)
    yield '<dl class="facts">'
    for model in dict.fromkeys(model for worker in report.workers for model in worker.models):
        yield f"<dt>Model</dt><dd>{escape(model)}</dd>"
    yield "</dl></section>"


def _pools(report: Report) -> Iterator[str]:
    """How busy the processes of each kind were at the end of the stage."""
    if not report.pools:
        return
    columns = (("Processes", ""), ("Device", "s o"), ("Number", "n"), ("Rows", "n"), ("Busy", "s"), ("Rows/s", "n"))
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    for pool in report.pools:
        name = "all other steps" if pool.name == "cpu" else f"<code>{escape(pool.name)}</code>"
        yield (
            f'<tr><th scope="row">{name}</th><td class="optional">{escape(pool.device)}</td>'
            f'<td class="number">{pool.processes}</td><td class="number">{count(pool.rows)}</td>'
            f'<td class="number">{share(pool.busy, 1)}</td><td class="number">{number(pool.rows_per_second)}</td></tr>'
        )
    yield "</tbody></table>"


def _line(worker: WorkerReport, first: float, last: float, began: float, whole: float) -> str:
    span = max(last - first, 1e-3)
    busy = min(1.0, worker.busy_seconds / span)
    label = f"{worker.name}: {count(worker.rows)} rows in {duration(span)}, busy {share(busy, 1)} of the time"
    parts = [("track", (first - began) / whole), ("kept", span * busy / whole), ("before", span * (1 - busy) / whole)]
    return (
        f'<tr><th scope="row"><code>{escape(worker.name)}</code></th><td>{bar(parts, label)}</td>'
        f'<td class="number optional">{escape(worker.device)}</td><td class="number">{count(worker.rows)}</td>'
        f'<td class="number">{share(busy, 1)}</td><td class="number">{number(worker.rows / span)}</td></tr>'
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
