"""The packages of table formats, which are optional."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from datajob.errors import InvalidJob


def package(module: str, format_key: str, extra: str = "lake") -> Any:
    """A module. Raises InvalidJob with the packages to install if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidJob(
            f"`{format_key}` needs a Python package that is not installed ({error}). Install it with "
            f"`pip install 'datajob[{extra}]'`, or set `runtime.image` to an image that contains it."
        ) from error
