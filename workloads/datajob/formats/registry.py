"""Find all formats: the reader and writer classes in the modules of this folder, by key."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from datajob import formats
from datajob.formats.base import Reader, Writer

T = TypeVar("T", type[Reader], type[Writer])


def _classes(base: T) -> dict[str, T]:
    found: dict[str, T] = {}
    for info in iter_modules(formats.__path__):
        if info.name.startswith("_"):
            continue
        module = import_module(f"{formats.__name__}.{info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, base)
                and not value.abstract
                and value.__module__ == module.__name__
            ):
                found[value.key] = value
    return dict(sorted(found.items()))


@cache
def all_readers() -> dict[str, type[Reader]]:
    """Reader classes by key."""
    return _classes(Reader)


@cache
def all_writers() -> dict[str, type[Writer]]:
    """Writer classes by key."""
    return _classes(Writer)
