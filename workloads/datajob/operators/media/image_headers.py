"""Headers of images in rows: of a reference, only the parts of the file are read that its header needs.

Headers of common formats are read here, and those that need a decoder by the child process.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from datajob.formats.media_files import fetch, open_file
from datajob.media.files import Lazy, MediaFile
from datajob.media.headers import Header, parse, quick_header
from datajob.media.image import read_header
from datajob.media.picture import Picture
from datajob.media.values import MediaValue


class Facts(NamedTuple):
    """What is known of an image without a decoder."""

    size: int
    """Bytes of the file."""
    header: Header | None
    """None if only a decoder can read it, or if it is not needed."""


class Remote(Picture):
    """An image whose pixels no step needs: only its header is read, or nothing but its size."""

    def __init__(self, open_file: Callable[[], MediaFile]) -> None:
        super().__init__(b"")
        self._open = open_file

    @cached_property
    def header(self) -> Header:
        """What the header states. Raises MediaError."""
        with self._open() as file:
            return read_header(file)

    @cached_property
    def file_size(self) -> int:
        """Bytes of the file."""
        with self._open() as file:
            return file.size


def read_facts(value: MediaValue, folder: str | None, header: bool = True) -> Facts:
    """The facts of an image, with its header if that is needed. Raises MediaError."""
    if value.data is not None or value.missing or value.problem is not None:
        data = fetch(value, folder)
        return Facts(len(data), quick_header(data) if header else None)
    with open_file(value, folder, header=True) as file:
        return Facts(file.size, parse(Lazy(file)) if header else None)


def for_child(values: Sequence[MediaValue], folder: str | None) -> tuple[Any, ...]:
    """Images whose headers the child reads, as buffers: a description, and the bytes of the images that have any."""
    described = [replace(value, data=None if value.data is None else b"") for value in values]
    return pickle.dumps((described, folder)), *(value.data for value in values if value.data is not None)


def in_child(buffers: tuple[Any, ...]) -> list[Callable[[], MediaFile]]:
    """What opens each of these images."""
    described, folder = pickle.loads(buffers[0])  # noqa: S301 - written by `for_child`
    data = iter(buffers[1:])
    values = [value if value.data is None else replace(value, data=next(data)) for value in described]
    return [partial(open_file, value, folder, header=True) for value in values]


def header_in_child(buffers: tuple[Any, ...]) -> Header:
    """The header of one image. Raises MediaError."""
    (opening,) = in_child(buffers)
    with opening() as file:
        return read_header(file)
