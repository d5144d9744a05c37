"""Pieces that several sections share."""

from html import escape

STATES = {"running": "Running", "complete": "Complete", "failed": "Failed"}


def legend(*entries: tuple[str, str]) -> str:
    """A legend of colors, as (CSS class, label)."""
    items = (f'<li><i class="{css}" aria-hidden="true"></i>{label}</li>' for css, label in entries)
    return f'<ul class="legend">{"".join(items)}</ul>'


def heads(*columns: tuple[str, str]) -> str:
    """Table headings as (name, kind): `n` is a column of numbers, `s` a narrow one, `o` one that small screens omit."""
    css = {"": "", "n": "number", "n o": "number optional", "s": "number slim", "s o": "number slim optional"}
    cells = (f'<th scope="col" class="{css[kind]}">{name}</th>' if name else "<td></td>" for name, kind in columns)
    return f"<tr>{''.join(cells)}</tr>"


def moment(time: str) -> str:
    """`2026-01-02T03:04:05.678Z` -> `2026-01-02 03:04:05 UTC`."""
    day, _, clock = time.partition("T")
    zone = " UTC" if clock.endswith(("Z", "+00:00")) else ""
    return f'<time datetime="{escape(time)}">{escape(day)} {escape(clock[:8])}{zone}</time>'
