"""Column names that a step asks for, checked against those a table has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from workloads.errors import InvalidJob


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when one of `known` is close to `name`, else nothing."""
    names = {k.casefold(): k for k in known}
    close = get_close_matches(name.casefold(), names, n=1, cutoff=0.6)
    return f"; did you mean `{names[close[0]]}`?" if close else ""


def require(wanted: Iterable[str], have: Sequence[str], where: str) -> None:
    """Raise InvalidJob naming the first of `wanted` that is not in `have`; `where` says which step or expression asks."""
    for name in wanted:
        if name not in have:
            hint = did_you_mean(name, have) or f"; the columns here are {', '.join(f'`{h}`' for h in have) or 'none'}."
            raise InvalidJob(f"{where} needs a column `{name}`, and there is none{hint}")
