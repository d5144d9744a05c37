"""Pieces that several sections of the report's page are made of."""


def legend(*entries: tuple[str, str]) -> str:
    """What the colours mean: (class, label)."""
    items = (f'<li><i class="{css}" aria-hidden="true"></i>{label}</li>' for css, label in entries)
    return f'<ul class="legend">{"".join(items)}</ul>'


def heads(*columns: tuple[str, str]) -> str:
    """Table heads as (name, kind): `n` is a column of numbers, `s` a slim one, `o` one that narrow screens leave out."""
    css = {"": "", "n": "number", "n o": "number optional", "s": "number slim", "s o": "number slim optional"}
    cells = (f'<th scope="col" class="{css[kind]}">{name}</th>' if name else "<td></td>" for name, kind in columns)
    return f"<tr>{''.join(cells)}</tr>"
