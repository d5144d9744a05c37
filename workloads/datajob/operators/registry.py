"""Finds operators by the paths of their modules: text/gopher_quality.py contains the operator `gopherQuality`.

A module is imported when its operator is used: a job uses a handful of more than a hundred.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from datajob import operators
from datajob.operators.base import Filter, Operator
from datajob.suggest import nearest

MODALITIES = ("table", "text", "dedup", "image", "audio", "video", "inference")


class Operators(Mapping[str, type[Operator]]):
    """Operator classes by key, ordered by modality and key. Modules that start with `_` are shared by operators."""

    def __init__(self) -> None:
        self._modules: dict[str, str] = {}
        for folder in MODALITIES:
            package = import_module(f"{operators.__name__}.{folder}")
            names = (info.name for info in iter_modules(package.__path__) if not info.name.startswith("_"))
            for key, name in sorted((_key(name), name) for name in names):
                if key in self._modules:
                    raise TypeError(f"two operators have the key {key}: {self._modules[key]} and {package.__name__}.{name}")
                self._modules[key] = f"{package.__name__}.{name}"

    def __getitem__(self, key: str) -> type[Operator]:
        module = import_module(self._modules[key])
        found: list[type[Operator]] = [value for value in vars(module).values() if _is_operator(value, module.__name__)]
        if [operator.key for operator in found] != [key]:
            raise TypeError(f"{module.__name__} must contain a single operator with the key {key}, but contains {found}")
        return found[0]

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


@cache
def all_operators() -> Operators:
    """Every operator."""
    return Operators()


def _is_operator(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, Operator) and not value.abstract and value.__module__ == module


def _key(module: str) -> str:
    """`gopher_quality` -> `gopherQuality`."""
    first, *others = module.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def modality(operator: type[Operator]) -> str:
    """The folder of an operator: table, text, dedup, image, audio, video, inference."""
    return operator.__module__.split(".")[2]


def filter_with_limits(key: str) -> type[Filter]:
    """The filter with this key, which `analyze` can measure: it has limits and needs no parameters. Raises ValueError."""
    if key in all_operators() and (found := _with_limits(all_operators()[key])):
        return found
    near = nearest(key, filters_with_limits())
    hint = f"did you mean `{near}`?" if near else f"the filters with limits are {', '.join(filters_with_limits())}"
    raise ValueError(f"`{key}` is not a filter with limits; {hint}")


@cache
def filters_with_limits() -> tuple[str, ...]:
    """The keys that `filter_with_limits` accepts. Imports every operator."""
    return tuple(key for key, operator in all_operators().items() if _with_limits(operator))


def _with_limits(operator: type[Operator]) -> type[Filter] | None:
    if not issubclass(operator, Filter) or operator.bounds is Filter.bounds:
        return None
    return None if any(field.is_required() for field in operator.model_fields.values()) else operator
