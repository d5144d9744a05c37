"""Finds readers and writers by key. The module of a format is imported when the format is used.

A new format is a module with the name of its key in snake case, and an entry in the tables below.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Generic, TypeVar

from datajob import formats
from datajob.formats.base import Reader, Writer

READERS = (
    *("audio", "avro", "binaryFiles", "csv", "delta", "huggingface", "iceberg", "images", "json", "lance", "orc", "parquet"),
    *("text", "video", "warc", "webdataset"),
)
WRITERS = ("audio", "csv", "delta", "huggingface", "iceberg", "images", "json", "lance", "megatron", "parquet", "webdataset")

T = TypeVar("T", Reader, Writer)


class Formats(Mapping[str, type[T]], Generic[T]):
    """Reader or writer classes by key, in alphabetical order."""

    def __init__(self, base: type[T], keys: tuple[str, ...]) -> None:
        self._base: type[T] = base
        self._keys = keys

    def __getitem__(self, key: str) -> type[T]:
        if key not in self._keys:
            raise KeyError(key)
        name = f"{formats.__name__}.{_module(key)}"
        found: list[type[T]] = [value for value in vars(import_module(name)).values() if self._is_format(value, name)]
        if [each.key for each in found] != [key]:
            raise TypeError(f"{name} must contain a single {self._base.__name__} with the key {key}, but contains {found}")
        return found[0]

    def _is_format(self, value: object, module: str) -> bool:
        if not isinstance(value, type) or not issubclass(value, self._base):
            return False
        return not value.abstract and value.__module__ == module

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@cache
def all_readers() -> Formats[Reader]:
    """Reader classes by key."""
    return Formats(Reader, READERS)


@cache
def all_writers() -> Formats[Writer]:
    """Writer classes by key."""
    return Formats(Writer, WRITERS)


def _module(key: str) -> str:
    """`binaryFiles` -> `binary_files`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
