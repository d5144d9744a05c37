"""The files of a local folder, following symbolic links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class LocalFile:
    """A file that was found."""

    path: str
    """The path with invalid UTF-8 escaped, for display. Such a file cannot be opened."""
    size: int
    mtime_ns: int
    real: str
    """The path without symbolic links."""
    linked: bool
    """Whether it was found through a symbolic link."""


def local_file(path: str) -> LocalFile | None:
    """A file, or None if it does not exist. A link without a target is an unreadable file."""
    if os.path.isfile(path):
        return _found(path, os.path.islink(path))
    return _found(path, True) if os.path.islink(path) and not os.path.exists(path) else None


def walk(folder: str, recursive: bool = True) -> Iterator[LocalFile]:
    """The files of `folder`, by default at any depth; none if it does not exist.

    Links to a parent folder are not followed, and links within linked folders are followed only to folders that were not
    visited yet.
    """
    real = os.path.realpath(folder)
    yield from _walk(folder, (real,), {real}, False, recursive)


def _walk(folder: str, chain: tuple[str, ...], seen: set[str], linked: bool, recursive: bool) -> Iterator[LocalFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        is_link = entry.is_symlink()
        here = f"{chain[-1].rstrip('/')}/{entry.name}"
        if not entry.is_dir():
            if is_link or entry.is_file():
                yield _found(entry.path, linked or is_link, None if linked or is_link else here)
            continue
        real = os.path.realpath(entry.path) if is_link else here
        follow = not is_link or not (any(_inside(above, real) for above in chain) or (linked and real in seen))
        if recursive and follow:
            seen.add(real)
            yield from _walk(entry.path, (*chain, real), seen, linked or is_link, recursive)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _found(path: str, linked: bool, real: str | None = None) -> LocalFile:
    try:
        status = os.stat(path)
        size, mtime = status.st_size, status.st_mtime_ns
    except OSError:
        size, mtime = 0, 0
    return LocalFile(printable(path), size, mtime, real or os.path.realpath(path), linked)


def printable(path: str) -> str:
    """A path with invalid UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def unreadable(path: str) -> str | None:
    """Why a path cannot be opened, or None if no reason is known."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"it is a symbolic link to {os.readlink(path)}, which does not exist"
    if "\\x" in path and not os.path.exists(path):
        return "its name is not valid UTF-8; rename it"
    return None
