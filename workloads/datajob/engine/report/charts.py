"""Inline SVG for the report page: bars, histograms of lengths, small distributions."""

from bisect import bisect_right
from collections.abc import Sequence
from html import escape

from datajob.engine.report.formatting import count, number, short

CHART_WIDTH, CHART_HEIGHT, AXIS_HEIGHT, TOP, WIDEST = 480, 180, 22, 16, 56
SMALL_WIDTH, SMALL_HEIGHT, MARKS_HEIGHT = 300, 76, 12


def bar(parts: Sequence[tuple[str, float]], label: str, height: int = 14) -> str:
    """One horizontal bar; `parts` are CSS classes with their shares of the full width (0 to 1), from left to right."""
    left, drawn = 0.0, []
    for css, part in parts:
        if part > 0:
            width = max(part, 0.004)  # even the smallest part stays visible
            drawn.append(f'<rect class="{css}" x="{left:.2%}" width="{width:.2%}" height="{height}" rx="1.5"/>')
            left += part
    title = f"<title>{escape(label)}</title>"
    return f'<svg role="img" width="100%" height="{height}" aria-label="{escape(label)}">{title}{"".join(drawn)}</svg>'


def histogram(read: Sequence[int], written: Sequence[int], unit: str, label: str) -> str:
    """Rows per power of two of length: rows read in the background, rows written in front."""
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


def distribution(
    edges: Sequence[float], counts: Sequence[int], quantiles: dict[str, float], limits: Sequence[tuple[str, float]], label: str
) -> str:
    """A small histogram with bins of equal width on screen.

    Below it, a box covers the 25th to the 75th percentile and a line the 5th to the 95th. Values beyond `limits`
    (`min` or `max`, value) are shaded.
    """
    slot, top, drawn = SMALL_WIDTH / len(counts), max([1, *counts]), []
    for index, rows in enumerate(counts):
        if rows:
            height = max(1.5, rows / top * (SMALL_HEIGHT - 4))
            label_of_bin = f"{number(edges[index])} to {number(edges[index + 1])}: {count(rows)} rows"
            place = f'x="{index * slot + 0.5:.1f}" y="{SMALL_HEIGHT - height:.1f}" width="{slot - 1:.1f}" height="{height:.1f}"'
            drawn.append(f'<rect class="before" {place}><title>{escape(label_of_bin)}</title></rect>')
    for side, value in limits:
        x = place_of(value, edges) * SMALL_WIDTH
        left, width = (0.0, x) if side == "min" else (x, SMALL_WIDTH - x)
        drawn.append(f'<rect class="beyond" x="{left:.1f}" y="0" width="{width:.1f}" height="{SMALL_HEIGHT}"/>')
        if 0 < x < SMALL_WIDTH:
            drawn.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{SMALL_HEIGHT}"/>')
    at = {name: place_of(value, edges) * SMALL_WIDTH for name, value in quantiles.items()}
    middle = SMALL_HEIGHT + MARKS_HEIGHT / 2
    drawn.append(f'<line class="axis" x1="0" x2="{SMALL_WIDTH}" y1="{SMALL_HEIGHT}" y2="{SMALL_HEIGHT}"/>')
    drawn.append(f'<line class="spread" x1="{at["p5"]:.1f}" x2="{at["p95"]:.1f}" y1="{middle}" y2="{middle}"/>')
    box = f'x="{at["p25"]:.1f}" width="{max(1.0, at["p75"] - at["p25"]):.1f}" y="{middle - 3}" height="6"'
    drawn.append(f'<rect class="kept" {box} rx="1.5"/>')
    drawn.append(f'<rect class="median" x="{at["p50"] - 1:.1f}" width="2" y="{middle - 5}" height="10"/>')
    bottom = SMALL_HEIGHT + MARKS_HEIGHT + 12
    drawn.append(f'<text class="tick" x="0" y="{bottom}">{number(edges[0])}</text>')
    drawn.append(f'<text class="tick" x="{SMALL_WIDTH}" y="{bottom}" text-anchor="end">{number(edges[-1])}</text>')
    size = f"0 0 {SMALL_WIDTH} {bottom + 3}"
    return f'<svg role="img" viewBox="{size}" width="100%" aria-label="{escape(label)}">{"".join(drawn)}</svg>'


def place_of(value: float, edges: Sequence[float]) -> float:
    """Position of a value on an axis of equally wide bins: 0 up to the first edge, 1 from the last edge on."""
    if value <= edges[0]:
        return 0.0
    if value >= edges[-1]:
        return 1.0
    index = bisect_right(edges, value) - 1
    return (index + (value - edges[index]) / (edges[index + 1] - edges[index])) / (len(edges) - 1)
