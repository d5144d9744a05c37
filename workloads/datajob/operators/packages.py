"""Optional packages, which only some operators need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from datajob.errors import InvalidJob

_ELSEWHERE = "or set `runtime.image` to an image that contains"


def optional(module: str, package: str, operator: str) -> Any:
    """The module. Raises InvalidJob with the package to install if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidJob(
            f"`{operator}` needs the Python package `{package}`, which is not installed ({error}). Install it with "
            f"`pip install {package}`, {_ELSEWHERE} it."
        ) from error


def require(packages: Mapping[str, str], operator: str) -> None:
    """Raise InvalidJob with the packages to install if modules are missing. `packages` maps modules to packages.

    Nothing is imported: the modules are needed in another process.
    """
    missing = [package for module, package in packages.items() if not _exists(module)]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise InvalidJob(
            f"`{operator}` needs Python packages that are not installed: {names}. Install them with "
            f"`pip install {' '.join(missing)}`, {_ELSEWHERE} them."
        )


@cache
def _exists(module: str) -> bool:
    return find_spec(module) is not None
