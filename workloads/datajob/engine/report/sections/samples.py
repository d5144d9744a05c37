"""The section with example rows: some that were written, and some for each reason to reject."""

import re
from collections.abc import Iterator, Sequence
from html import escape

from datajob.api.report import Report, Sample

PICTURE = re.compile(r"data:image/(?:jpeg|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")
ALT_CHARACTERS = 80


def samples(report: Report) -> Iterator[str]:
    """Example rows in groups that open and close; nothing if the run had no rows."""
    if not report.samples:
        return
    written = [sample for sample in report.samples if sample.reason is None]
    rejected: dict[tuple[str, str], list[Sample]] = {}
    for sample in report.samples:
        if sample.reason is not None:
            rejected.setdefault((sample.step, sample.reason), []).append(sample)
    yield "<section><h2>Example rows</h2>"
    yield '<p class="note">The first rows of each group, with shortened values. '
    yield "Use them to check whether the rules fit the data.</p>"
    if written:
        yield from _group(f"Written ({len(written)})", written, "is-kept", is_open=True)
    for (step, reason), rows in rejected.items():
        label = f"Rejected by <code>{escape(step)}</code>: <code>{escape(reason)}</code> ({len(rows)})"
        yield from _group(label, rows, "is-rejected", is_open=False)
    yield "</section>"


def _group(label: str, rows: Sequence[Sample], css: str, *, is_open: bool) -> Iterator[str]:
    yield f"<details{' open' if is_open else ''}><summary>{label}</summary>"
    for sample in rows:
        cells = (
            f'<dt>{escape(name)}</dt><dd dir="auto">{escape(value)}{_pictures(sample, name)}</dd>'
            for name, value in sample.row.items()
        )
        yield f'<dl class="row {css}">{"".join(cells)}</dl>'
    yield "</details>"


def _pictures(sample: Sample, name: str) -> str:
    """The pictures of a value. Only data URIs of pictures are shown."""
    drawn = [uri for uri in sample.pictures.get(name, ()) if PICTURE.fullmatch(uri)]
    alt = escape(sample.row[name][:ALT_CHARACTERS])
    return f'<span class="pictures">{"".join(f"""<img src="{uri}" alt="{alt}">""" for uri in drawn)}</span>' if drawn else ""
