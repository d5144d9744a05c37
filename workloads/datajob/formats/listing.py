"""Turns the paths of a source into the sorted list of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from datajob.errors import InputError
from datajob.formats.base import InputFile
from datajob.formats.storage import resolve, scheme_of, storage_errors

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


def list_inputs(paths: Sequence[str], suffixes: Sequence[str]) -> list[InputFile]:
    """The files of `paths`, sorted by path, each once.

    A folder is read recursively: names with one of `suffixes` (all, when empty), without any that begins with `_` or
    `.` below the folder. A glob (`*`, `?`, `[...]`, `**` over folders) names files or folders. A file named outright,
    or by a glob that says how its name ends, is read whatever its suffix. Raises InputError for a path that does not
    exist, may not be read or holds no file.
    """
    found: dict[str, InputFile] = {}
    for path in paths:
        files = list(_files(path, tuple(suffix.lower() for suffix in suffixes)))
        if not files:
            wanted = " or ".join(suffixes) or "any name"
            raise InputError(f"{path}: no file to read there (looked for {wanted}, skipping names that start with _ or `.`).")
        found.update((file.path, file) for file in files)
    return [found[path] for path in sorted(found)]


def _files(path: str, suffixes: tuple[str, ...]) -> Iterator[InputFile]:
    from pyarrow.fs import FileType

    filesystem, inner = resolve(path)
    prefix = _outer_prefix(path, inner)
    with storage_errors(path, InputError, "read it"):
        info = filesystem.get_file_info(inner)
    if info.type == FileType.File:
        yield _input_file(info, prefix)
    elif info.type == FileType.Directory:
        for below in _walk(filesystem, inner, path):
            if _plain(below.path[len(inner) :]) and below.path.lower().endswith(suffixes or ""):
                yield _input_file(below, prefix)
    elif re.search(r"[*?\[]", inner):
        yield from _matching(filesystem, inner, path, prefix, suffixes)
    else:
        raise InputError(f"{path}: there is no such file or folder; check the path, its bucket and its spelling.")


def _matching(filesystem: FileSystem, inner: str, path: str, prefix: str, suffixes: tuple[str, ...]) -> Iterator[InputFile]:
    segments = inner.split("/")
    first = next(i for i, segment in enumerate(segments) if re.search(r"[*?\[]", segment))
    outright = re.compile(_pattern(segments))
    inside = re.compile(_pattern(segments) + "/(?P<below>.*)")
    any_name = not segments[-1].strip("*")
    for info in _walk(filesystem, "/".join(segments[:first]) or "/", path):
        by_suffix = info.path.lower().endswith(suffixes or "")
        if outright.fullmatch(info.path):
            if by_suffix or not any_name:
                yield _input_file(info, prefix)
        elif (match := inside.fullmatch(info.path)) and _plain(match["below"]) and by_suffix:
            yield _input_file(info, prefix)


def _walk(filesystem: FileSystem, folder: str, path: str) -> Iterator[FileInfo]:
    """All files below `folder`, at any depth; none when it is not there."""
    from pyarrow.fs import FileSelector, FileType

    with storage_errors(path, InputError, "list it"):
        found = filesystem.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    return (info for info in found if info.type == FileType.File)


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
    folders = info.path.split("/")[:-1]
    pairs = (folder.split("=", 1) for folder in folders if "=" in folder[1:])
    partition = tuple((unquote(key), unquote(value)) for key, value in pairs)
    return InputFile(prefix + info.path, info.size or 0, str(info.mtime_ns or 0), partition)
