"""Turns the paths of a source into the list of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from datajob.errors import InputError
from datajob.formats._local_files import LocalFile, local_file, walk
from datajob.formats.base import InputFile
from datajob.formats.storage import resolve, scheme_of, storage_errors

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
"""The innermost choice of a glob."""


def list_inputs(paths: Sequence[str], suffixes: Sequence[str]) -> list[InputFile]:
    """The files of `paths`, each once: in the order of `paths`, and sorted by path within each of them.

    A folder is read recursively: names with one of `suffixes` (all, when empty), without any that begins with `_` or
    `.` below the folder. A glob (`*`, `?`, `[...]`, `{a,b}`, `**` over folders) names files or folders, unless a file of that
    very name exists. A file named outright, or by a glob that gives the end of its name, is read whatever its suffix. A file
    that several symbolic links lead to is read once. Raises InputError for a path that does not exist, may not be read or
    holds no file.
    """
    found: dict[str, _Found] = {}
    for path in paths:
        for file in _listed(path, tuple(suffix.lower() for suffix in suffixes)):
            found.setdefault(file.input.path, file)
    return _each_once(found.values())


@dataclass(frozen=True)
class _Found:
    input: InputFile
    real: str | None = None
    """Of a local file: its path without symbolic links."""
    linked: bool = False


def _listed(path: str, suffixes: tuple[str, ...]) -> list[_Found]:
    files = []
    for choice in _choices(path):
        some = sorted(_files(choice, suffixes), key=lambda file: file.input.path)
        if not some:
            wanted = " or ".join(suffixes) or "any name"
            raise InputError(f"{choice}: no matching files (looked for {wanted}, skipping names that start with `_` or `.`).")
        files += some
    return files


def _choices(path: str) -> list[str]:
    """The paths that `{a,b}` stands for; just `path` when something of that name exists."""
    from pyarrow.fs import FileType

    if not _BRACES.search(path):
        return [path]
    filesystem, inner = resolve(path)
    with storage_errors(path, InputError, "read it"):
        if filesystem.get_file_info(inner).type != FileType.NotFound:
            return [path]
    return list(dict.fromkeys(expand_braces(path)))


def expand_braces(path: str) -> list[str]:
    """`x.{a,b}` -> `x.a`, `x.b`, as a shell does."""
    match = _BRACES.search(path)
    if not match:
        return [path]
    parts = (path[: match.start()] + choice + path[match.end() :] for choice in match[1].split(","))
    return [whole for part in parts for whole in expand_braces(part)]


def _each_once(files: Iterable[_Found]) -> list[InputFile]:
    """Files without those that are only another way to one that is there."""
    files = list(files)
    seen = {file.real for file in files if file.real and not file.linked}
    once: list[InputFile] = []
    for file in files:
        if file.linked and file.real:
            if file.real in seen:
                continue
            seen.add(file.real)
        once.append(file.input)
    return once


def _files(path: str, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    from pyarrow.fs import FileType

    filesystem, inner = resolve(path)
    prefix = _outer_prefix(path, inner)
    if not scheme_of(path) and (local := local_file(inner)):
        yield _local(local)
        return
    with storage_errors(path, InputError, "read it"):
        info = filesystem.get_file_info(inner)
    if info.type == FileType.File:
        yield _Found(_input_file(info, prefix))
    elif info.type == FileType.Directory:
        for below in _walk(filesystem, inner, path, prefix):
            at = below.input.path[len(prefix) :]
            if _plain(at[len(inner) :]) and at.lower().endswith(suffixes or ""):
                yield below
    elif re.search(r"[*?\[]", inner):
        yield from _matching(filesystem, inner, path, prefix, suffixes)
    else:
        raise InputError(f"{path}: no such file or folder; check the path, its bucket and its spelling.")


def _local(file: LocalFile) -> _Found:
    return _Found(InputFile(file.path, file.size, str(file.mtime_ns), _partition(file.path)), file.real, file.linked)


def _matching(filesystem: FileSystem, inner: str, path: str, prefix: str, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    segments = inner.split("/")
    first = next(i for i, segment in enumerate(segments) if re.search(r"[*?\[]", segment))
    outright = re.compile(_pattern(segments), re.DOTALL)
    inside = re.compile(_pattern(segments) + "/(?P<below>.*)", re.DOTALL)
    any_name = not segments[-1].strip("*")
    for file in _walk(filesystem, "/".join(segments[:first]) or "/", path, prefix):
        at = file.input.path[len(prefix) :]
        by_suffix = at.lower().endswith(suffixes or "")
        if outright.fullmatch(at):
            if by_suffix or not any_name:
                yield file
        elif (match := inside.fullmatch(at)) and _plain(match["below"]) and by_suffix:
            yield file


def _walk(filesystem: FileSystem, folder: str, path: str, prefix: str) -> Iterator[_Found]:
    """All files below `folder`, at any depth; none when it is not there."""
    from pyarrow.fs import FileSelector, FileType

    with storage_errors(path, InputError, "list it"):
        if not scheme_of(path):
            yield from map(_local, walk(folder))
            return
        found = filesystem.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    yield from (_Found(_input_file(info, prefix)) for info in found if info.type == FileType.File)


def _pattern(segments: Sequence[str]) -> str:
    """A regular expression for a glob in segments; wildcards do not match a `_` or `.` at the start of a name."""
    parts: list[str] = []
    for i, segment in enumerate(segments):
        last = i == len(segments) - 1
        if segment == "**":
            parts.append(r"(?:(?![_.])[^/]+/)*" + (r"(?![_.])[^/]+" if last else ""))
            continue
        guard = r"(?![_.])" if segment[:1] in ("*", "?", "[") else ""
        pieces = re.findall(r"\[!?\]?[^\]]*\]|.", segment)
        parts.append(guard + "".join(map(_piece, pieces)) + ("" if last else "/"))
    return "".join(parts)


def _piece(piece: str) -> str:
    if len(piece) > 1:
        return "[" + piece[1:-1].replace("\\", r"\\").replace("!", "^", 1 if piece[1] == "!" else 0) + "]"
    return {"*": "[^/]*", "?": "[^/]"}.get(piece) or re.escape(piece)


def _plain(below: str) -> bool:
    return not any(name[:1] in ("_", ".") for name in below.split("/") if name)


def _outer_prefix(path: str, inner: str) -> str:
    """What to put before a path of the file system to get one that a person would write."""
    scheme = scheme_of(path)
    if not scheme:
        return ""
    rest = path.split("://", 1)[1]
    return f"{scheme}://" if not inner.startswith("/") or rest.startswith("/") else f"{scheme}:/"


def _input_file(info: FileInfo, prefix: str) -> InputFile:
    return InputFile(prefix + info.path, info.size or 0, str(info.mtime_ns or 0), _partition(info.path))


def _partition(path: str) -> tuple[tuple[str, str], ...]:
    """The values of hive folders (`lang=de/`)."""
    pairs = (folder.split("=", 1) for folder in path.split("/")[:-1] if "=" in folder[1:])
    return tuple((unquote(key), unquote(value)) for key, value in pairs)
