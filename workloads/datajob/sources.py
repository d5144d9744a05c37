"""The built-in readers as classes, to build jobs in Python: `sources.Parquet(paths=["in/"])`.

Each class is named after its key in YAML, with a capital letter; its fields are its parameters in snake_case.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    from datajob.formats.registry import all_readers

    key = name[:1].lower() + name[1:]
    if key == name or key not in all_readers():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return all_readers()[key]


def __dir__() -> list[str]:
    from datajob.formats.registry import all_readers

    return sorted(key[:1].upper() + key[1:] for key in all_readers())
