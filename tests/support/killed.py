"""Ends a driver at each step of the commit of a table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from datajob.formats.folder import Folder


class Killed(BaseException):
    """What ends the driver in place of a signal."""


@contextmanager
def killed_at(number: int, publication: type, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Ends the driver before or after the step `number` of the publication: each write, each deletion, and the commit."""
    steps: list[str] = []
    began = False

    def wrap(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal began
            began = began or "publication.json" in str(args[:1])
            if not began:
                return original(self, *args, **kwargs)
            for when in ("before", "after"):
                steps.append(f"{when} {name} {args[:1]}")
                if len(steps) == number:
                    raise Killed
                if when == "before":
                    result = original(self, *args, **kwargs)
            return result

        scope.setattr(owner, name, wrapped)

    with monkeypatch.context() as scope:
        for owner, name in ((Folder, "write"), (Folder, "delete"), (publication, "_once")):
            wrap(owner, name)
        yield steps


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, after which the driver ends."""

    def killed(*args: Any) -> None:
        function(*args)
        raise Killed

    return killed
