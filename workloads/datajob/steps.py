"""The built-in operators as classes, to build jobs in Python: `steps.GopherQuality(min_words=50)`.

Each operator is named after its key in YAML, with a capital letter; its fields are its parameters in snake_case. The
classes that your own operators subclass are in `datajob.operators`.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    from datajob.operators.registry import all_operators

    key = name[:1].lower() + name[1:]
    if key == name or key not in all_operators():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return all_operators()[key]


def __dir__() -> list[str]:
    from datajob.operators.registry import all_operators

    return sorted(key[:1].upper() + key[1:] for key in all_operators())
