"""The section about endpoints: requests, tokens, waits and cost."""

from collections.abc import Iterator
from html import escape

from datajob.api.report import Report
from datajob.engine.report.formatting import count, duration, number
from datajob.engine.report.sections.parts import heads

_NOTE = (
    "Requests whose answers are part of committed shards, from all attempts. The servers count the tokens. “Waited” is the "
    "time before requests were repeated, summed over all requests."
)


def endpoints(report: Report) -> Iterator[str]:
    """One line per endpoint and model; nothing if no step uses one."""
    if not report.endpoints:
        return
    yield f'<section><h2>Endpoints</h2><p class="note">{_NOTE}</p>'
    columns = (
        ("Endpoint", ""), ("Model", "s o"), ("Requests", "n"), ("Retries", "n"), ("Tokens in", "n"), ("Tokens out", "n"),
        ("Waited", "n"), ("Cost", "n"),
    )  # fmt: skip
    yield f"<table><thead>{heads(*columns)}</thead><tbody>"
    for one in report.endpoints:
        cost = "–" if one.cost is None else number(one.cost)
        counts = map(count, (one.requests, one.retries, one.input_tokens, one.output_tokens))
        cells = "".join(f'<td class="number">{value}</td>' for value in (*counts, duration(one.wait_seconds), cost))
        yield (
            f'<tr><th scope="row"><code>{escape(one.endpoint)}</code></th>'
            f'<td class="optional">{escape(one.model or "–")}</td>{cells}</tr>'
        )
    yield "</tbody></table></section>"
