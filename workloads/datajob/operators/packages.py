"""Optional packages, which only some operators need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from datajob.errors import InvalidJob


def optional(module: str, package: str, operator: str) -> Any:
    """The module. Raises InvalidJob with the package to install if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidJob(
            f"`{operator}` needs the Python package `{package}`, which is not installed ({error}). Install it with "
            f"`pip install {package}`, or set `runtime.image` to an image that contains it."
        ) from error
