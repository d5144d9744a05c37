"""Suggestions and names in messages, for every layer."""

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The most similar of `known` to `word`, ignoring case and underscores; None if none is similar."""
    plain_last = sorted(known, key=lambda name: -name.count("_"))  # prefer `json` to `_json`
    names = {name.casefold().replace("_", ""): name for name in plain_last}
    close = get_close_matches(word.casefold().replace("_", ""), names, n=1, cutoff=0.6)
    return names[close[0]] if close else None


def snake(name: str) -> str:
    """`gopherQuality` -> `gopher_quality`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
