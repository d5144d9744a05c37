"""Folders that are tables of Delta, Iceberg, Hudi or Lance. Their files also contain rows that were deleted or replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from datajob.errors import InputError
from datajob.formats.storage import resolve, scheme_of

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

    from datajob.formats.folder import Folder

_MARKS = {
    "Delta": re.compile(r"_delta_log/[^/]+"),
    "Hudi": re.compile(r"\.hoodie/.+"),
    "Iceberg": re.compile(r"metadata/[^/]+\.metadata\.json"),
    "Lance": re.compile(r"_versions/[^/]+\.manifest"),
}
"""Files below the folder of a table."""
_FOLDERS = {"Delta": "_delta_log", "Hudi": ".hoodie", "Iceberg": "metadata", "Lance": "_versions"}
_WILDCARD = re.compile(r"[*?\[{]")
_ANY_MARK = re.compile("|".join(f"(?:^|/)(?P<{name}>{mark.pattern})$" for name, mark in _MARKS.items()))
_ADVICE = {
    "Delta": "Use the source `delta`",
    "Iceberg": "Use the source `iceberg`",
    "Hudi": "Export the current rows, for example with Spark, and read the exported files",
    "Lance": "Use the source `lance`",
}


def check_listed(every: Iterable[str], chosen: Iterable[str]) -> None:
    """Raise InputError if a file of `chosen` is in a table. `every` are all files of a folder, the hidden ones included."""
    tables = {
        path[: mark.start(mark.lastgroup or 0)]: str(mark.lastgroup) for path in every if (mark := _ANY_MARK.search(path))
    }
    if not tables:
        return
    for path in chosen:
        for folder, kind in tables.items():
            if path.startswith(folder):
                raise _refused(folder, kind)


def check_outer(paths: Iterable[str], files: Container[str]) -> None:
    """Raise InputError if a path is a part of a table: a file, a partition, or the data without the metadata.

    `files` are the paths that are files. A folder that cannot be listed is not checked: its files may be readable.
    """
    from pyarrow.fs import FileSelector

    for folder in dict.fromkeys(_folder(path, files) for path in paths):
        if scheme_of(folder) in ("http", "https"):  # has no folders
            continue
        filesystem, inner = resolve(folder)
        for root in _roots(inner):
            for kind, name in _FOLDERS.items():
                prefix = f"{root.rstrip('/')}/"
                inside: list[FileInfo] = []
                with suppress(OSError):
                    inside = filesystem.get_file_info(FileSelector(prefix + name, allow_not_found=True))
                if any(_MARKS[kind].fullmatch(info.path[len(prefix) :]) for info in inside):
                    raise _refused(root, kind)


def table_in(folder: Folder) -> str | None:
    """The kind of the table that a folder is, if it is one."""
    for kind, name in _FOLDERS.items():
        if any(map(_MARKS[kind].fullmatch, folder.list(name))):
            return kind
    return None


def _folder(path: str, files: Container[str]) -> str:
    """The folder of a path: that of a file, or the part before the first wildcard."""
    literal = _WILDCARD.split(path)[0]
    if literal != path or path in files or os.path.isfile(path.removeprefix("file://")):
        return os.path.dirname(literal) or ("/" if path.startswith("/") else ".")
    return path


def _roots(folder: str) -> Iterator[str]:
    """The folders whose table `folder` can be a part of, given how tables name the folders of their files."""
    parts = folder.rstrip("/").split("/")
    while len(parts) > 1 and "=" in parts[-1]:
        parts.pop()
    yield "/".join(parts) or "/"
    if len(parts) > 1 and parts[-1] == "data":
        yield "/".join(parts[:-1]) or "/"


def _refused(folder: str, kind: str) -> InputError:
    shown = folder.rstrip("/")
    return InputError(
        f"{shown}: is a {kind} table. Its files also contain rows that were deleted or replaced, so they cannot be read as "
        f"plain files. {_ADVICE[kind].format(folder=shown)}."
    )
