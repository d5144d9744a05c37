"""Packages that only some text operators need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from datajob.errors import InvalidJob


def optional(module: str, package: str, operator: str) -> Any:
    """The module. Raises InvalidJob that says what to install when it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidJob(
            f"`{operator}` needs the Python package `{package}`, which is not in this image ({error}). Install it where the "
            f"job runs: `pip install {package}`, or an image of your own in `runtime.image`."
        ) from error
