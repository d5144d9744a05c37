"""Column names that a step asks for, checked against those a table has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datajob.errors import InvalidJob
from datajob.suggest import nearest


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when one of `known` is close to `name`, else nothing."""
    near = nearest(name, known)
    return f"; did you mean `{near}`?" if near else ""


def require(wanted: Iterable[str], have: Sequence[str], where: str) -> None:
    """Raise InvalidJob naming the first of `wanted` that is not in `have`; `where` says which step or expression asks."""
    for name in wanted:
        if name not in have:
            hint = did_you_mean(name, have) or f"; the columns here are {', '.join(f'`{h}`' for h in have) or 'none'}."
            raise InvalidJob(f"{where} needs a column `{name}`, and there is none{hint}")
