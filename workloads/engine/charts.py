"""Inline SVG for the report's page: bars of shares, and histograms of lengths before and after."""

from collections.abc import Sequence
from html import escape

from workloads.engine.figures import count, short

CHART_WIDTH, CHART_HEIGHT, AXIS_HEIGHT, TOP, WIDEST = 480, 180, 22, 16, 56


def bar(parts: Sequence[tuple[str, float]], label: str, height: int = 14) -> str:
    """One horizontal bar; `parts` are CSS classes with shares of the full width (0..1), from the left."""
    left, drawn = 0.0, []
    for css, part in parts:
        if part > 0:
            width = max(part, 0.004)  # what is there is seen
            drawn.append(f'<rect class="{css}" x="{left:.2%}" width="{width:.2%}" height="{height}" rx="1.5"/>')
            left += part
    title = f"<title>{escape(label)}</title>"
    return f'<svg role="img" width="100%" height="{height}" aria-label="{escape(label)}">{title}{"".join(drawn)}</svg>'


def histogram(read: Sequence[int], written: Sequence[int], unit: str, label: str) -> str:
    """Rows per power of two of length: those read behind, those written in front."""
    filled = [index for counts in (read, written) for index, rows in enumerate(counts) if rows]
    bins = range(min(filled, default=0), max(filled, default=0) + 1)
    top, slot, every = max([1, *read, *written]), min(CHART_WIDTH / len(bins), WIDEST), -(-len(bins) // 12)
    drawn = [_level(CHART_HEIGHT), _level(TOP), f'<text class="tick" y="{TOP - 5}">{count(top)} rows</text>']
    for index in bins:
        x = (index - bins.start) * slot
        lengths = f"{2**index if index else 0:,} to {2 ** (index + 1) - 1:,} {unit}"
        for css, counts, inset in (("before", read, 0.08), ("kept", written, 0.26)):
            rows = counts[index] if index < len(counts) else 0
            drawn.append(_column(css, x + slot * inset, slot * (1 - 2 * inset), rows, top, f"{lengths}: {count(rows)} rows"))
        if (index - bins.start) % every == 0:
            place = f'x="{x + slot / 2:.1f}" y="{CHART_HEIGHT + 15}" text-anchor="middle"'
            drawn.append(f'<text class="tick" {place}>{short(2**index)}</text>')
    box = f"0 0 {CHART_WIDTH} {CHART_HEIGHT + AXIS_HEIGHT}"
    return f'<svg role="img" viewBox="{box}" width="100%" aria-label="{escape(label)}">{"".join(drawn)}</svg>'


def _level(y: float) -> str:
    return f'<line class="axis" x1="0" x2="{CHART_WIDTH}" y1="{y}" y2="{y}"/>'


def _column(css: str, x: float, width: float, rows: int, top: int, label: str) -> str:
    if not rows:
        return ""
    height = max(1.5, rows / top * (CHART_HEIGHT - TOP))
    y = CHART_HEIGHT - height
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{css}" {place} rx="2"><title>{escape(label)}</title></rect>'
