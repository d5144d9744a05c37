"""Finds the operators: every concrete class in a module of an operators' folder, by its key."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from workloads import operators
from workloads.operators.base import Operator

MODALITIES = ("table", "text", "dedup", "image", "audio", "video", "inference")


@cache
def all_operators() -> dict[str, type[Operator]]:
    """Operator classes by key, ordered by modality and key."""
    found: dict[str, type[Operator]] = {}
    for modality in MODALITIES:
        package = import_module(f"{operators.__name__}.{modality}")
        classes = [
            value
            for info in iter_modules(package.__path__)
            if not info.name.startswith("_")
            for value in vars(import_module(f"{package.__name__}.{info.name}")).values()
            if isinstance(value, type)
            and issubclass(value, Operator)
            and not value.abstract
            and value.__module__ == f"{package.__name__}.{info.name}"
        ]
        for operator in sorted(classes, key=lambda o: o.key):
            if operator.key in found:
                raise TypeError(f"two operators are called {operator.key}: {found[operator.key]} and {operator}")
            found[operator.key] = operator
    return found
