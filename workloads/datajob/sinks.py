"""The built-in writers as classes, to build jobs in Python: `sinks.Parquet(path="out")`.

Each class is named after its key in YAML, with a capital letter; its fields are its parameters in snake_case.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    from datajob.formats.registry import all_writers

    key = name[:1].lower() + name[1:]
    if key == name or key not in all_writers():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return all_writers()[key]


def __dir__() -> list[str]:
    from datajob.formats.registry import all_writers

    return sorted(key[:1].upper() + key[1:] for key in all_writers())
