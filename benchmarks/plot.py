"""A line chart of equally spaced points as SVG, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 240, 64, 40, 34, 14
INK, SOFT, LINE, CURVE = "#1b2228", "#59636c", "#e2e4e2", "#0b7a6f"


def line(points: Sequence[tuple[float, float]], title: str, below: str, level: tuple[float, str] | None = None) -> str:
    """An SVG with a curve. The axis starts at zero. `level` adds a horizontal line with a label."""
    right = max(x for x, _ in points)
    top = max([y for _, y in points] + ([level[0]] if level else [])) * 1.15

    def at(x: float, y: float) -> str:
        return f"{LEFT + x / right * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - y / top * (HEIGHT - BOTTOM - TOP):.1f}"

    drawn = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', _text(LEFT, 20, title, INK, 14)]
    for share in (0, 0.25, 0.5, 0.75, 1):
        (x1, y), (x2, _) = at(0, top * share).split(","), at(right, 0).split(",")
        drawn.append(f'<line x1="{x1}" x2="{x2}" y1="{y}" y2="{y}" stroke="{LINE}"/>')
        drawn.append(_text(LEFT - 8, float(y) + 4, f"{top * share:,.0f}", SOFT, 11, "end"))
        drawn.append(_text(float(at(right * share, 0).split(",")[0]), HEIGHT - 22, f"{right * share:,.0f}", SOFT, 11, "middle"))
    drawn.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, below, SOFT, 11, "middle"))
    if level is not None:
        ends = f"{at(0, level[0])} {at(right, level[0])}"
        drawn.append(f'<polyline points="{ends}" fill="none" stroke="{SOFT}" stroke-dasharray="4 3"/>')
        drawn.append(_text(WIDTH - RIGHT, float(at(0, level[0]).split(",")[1]) - 6, level[1], SOFT, 11, "end"))
    curve = " ".join(at(x, y) for x, y in points)
    drawn.append(f'<polyline points="{curve}" fill="none" stroke="{CURVE}" stroke-width="2"/>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="sans-serif"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" {box}>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, color: str, size: int, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
