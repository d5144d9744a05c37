"""Checks that the columns of a step exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datajob.errors import InvalidJob
from datajob.suggest import nearest


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` if a name in `known` is similar, otherwise nothing."""
    near = nearest(name, known)
    return f"; did you mean `{near}`?" if near else ""


def require(wanted: Iterable[str], have: Sequence[str], where: str) -> None:
    """Raise InvalidJob for the first of `wanted` that is not in `have`; `where` is the step or expression that needs it."""
    for name in wanted:
        if name not in have:
            hint = did_you_mean(name, have) or f"; the available columns are {', '.join(f'`{h}`' for h in have) or 'none'}."
            raise InvalidJob(f"{where} needs a column `{name}`, which does not exist{hint}")
