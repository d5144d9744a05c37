"""List the files of the paths of a source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from datajob.errors import InputError
from datajob.formats._local_files import LocalFile, local_file, walk
from datajob.formats._table_folders import check_listed, check_outer
from datajob.formats.base import InputFile
from datajob.formats.storage import resolve, scheme_of, storage_errors

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

_SHOWN = r"(?!\.|_[^/=]*(?:/|\Z))"
"""A pattern before the name of a file or folder that is not hidden: see `is_hidden`."""
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
"""The innermost `{a,b}` of a glob."""


def list_inputs(paths: Sequence[str], suffixes: Sequence[str]) -> list[InputFile]:
    """The files of `paths` without duplicates, in the order of `paths` and sorted by path within each of them.

    Folders are read recursively: files with one of `suffixes` (any if empty), except for hidden names below the folder. A glob
    (`*`, `?`, `[...]`, `{a,b}`, `**` across folders) matches files or folders, unless a file with exactly this name exists. A
    file that is named explicitly, or by a glob that includes the end of its name, is read regardless of its suffix. A file that
    several symbolic links point to is read once; hard links are files and are read under each name. Raises InputError for a
    path that does not exist, cannot be read or contains no files, and for tables of Delta, Iceberg, Hudi and Lance.
    """
    found: dict[str, _Found] = {}
    for path in paths:
        for file in _listed(path, tuple(suffix.lower() for suffix in suffixes)):
            found.setdefault(file.input.path, file)
    check_outer(paths, found)
    return _each_once(found.values())


@dataclass(frozen=True)
class _Found:
    input: InputFile
    real: str | None = None
    """For local files, the path without symbolic links."""
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
    """The paths that `{a,b}` stands for, or only `path` if it exists."""
    from pyarrow.fs import FileType

    if not _BRACES.search(path):
        return [path]
    filesystem, inner = resolve(path)
    with storage_errors(path, InputError, "read it"):
        if filesystem.get_file_info(inner).type != FileType.NotFound:
            return [path]
    return list(dict.fromkeys(expand_braces(path)))


def is_hidden(path: str) -> bool:
    """Whether a name in a relative path begins with `.` or, unless it is the folder of a partition (`_key=value`), with `_`."""
    return any(name[:1] == "." or (name[:1] == "_" and "=" not in name) for name in path.split("/"))


def expand_braces(path: str) -> list[str]:
    """`x.{a,b}` -> `x.a`, `x.b`, as in a shell."""
    match = _BRACES.search(path)
    if not match:
        return [path]
    parts = (path[: match.start()] + choice + path[match.end() :] for choice in match[1].split(","))
    return [whole for part in parts for whole in expand_braces(part)]


def _each_once(files: Iterable[_Found]) -> list[InputFile]:
    """The files without links to other files in the list."""
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

        def chosen(at: str) -> bool:
            return _plain(at[len(inner) :]) and at.lower().endswith(suffixes or "")

        yield from _below(filesystem, inner, path, prefix, chosen)
    elif re.search(r"[*?\[]", inner):
        yield from _matching(filesystem, inner, path, prefix, suffixes)
    else:
        raise InputError(f"{path}: no such file or folder; check the path, its bucket and its spelling.")


def _local(file: LocalFile) -> _Found:
    return _Found(InputFile(file.path, file.size, str(file.mtime_ns), _partition(file.path)), file.real, file.linked)


def _matching(filesystem: FileSystem, inner: str, path: str, prefix: str, suffixes: tuple[str, ...]) -> Iterator[_Found]:
    names = inner.split("/")
    first = next(i for i, name in enumerate(names) if re.search(r"[*?\[]", name))
    explicit = re.compile(_pattern(names), re.DOTALL)
    inside = re.compile(_pattern(names) + "/(?P<below>.*)", re.DOTALL)
    any_name = not names[-1].strip("*")

    def chosen(at: str) -> bool:
        by_suffix = at.lower().endswith(suffixes or "")
        if explicit.fullmatch(at):
            return by_suffix or not any_name
        match = inside.fullmatch(at)
        return match is not None and _plain(match["below"]) and by_suffix

    yield from _below(filesystem, "/".join(names[:first]) or "/", path, prefix, chosen)


def _below(filesystem: FileSystem, folder: str, path: str, prefix: str, chosen: Callable[[str], bool]) -> list[_Found]:
    """The files below `folder` whose path in the file system is chosen. Raises InputError if one belongs to a table."""
    every = list(_walk(filesystem, folder, path, prefix))
    found = [file for file in every if chosen(file.input.path[len(prefix) :])]
    check_listed((file.input.path for file in every), (file.input.path for file in found))
    return found


def _walk(filesystem: FileSystem, folder: str, path: str, prefix: str) -> Iterator[_Found]:
    """All files below `folder` at any depth; none if it does not exist."""
    from pyarrow.fs import FileSelector, FileType

    with storage_errors(path, InputError, "list it"):
        if not scheme_of(path):
            yield from map(_local, walk(folder))
            return
        found = filesystem.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    yield from (_Found(_input_file(info, prefix)) for info in found if info.type == FileType.File)


def _pattern(names: Sequence[str]) -> str:
    """A regular expression for the parts of a glob. Wildcards do not match `_` or `.` at the start of a name."""
    parts: list[str] = []
    for i, name in enumerate(names):
        last = i == len(names) - 1
        if name == "**":
            parts.append(rf"(?:{_SHOWN}[^/]+/)*" + (rf"{_SHOWN}[^/]+" if last else ""))
            continue
        guard = _SHOWN if name[:1] in ("*", "?", "[") else ""
        pieces = re.findall(r"\[!?\]?[^\]]*\]|.", name)
        parts.append(guard + "".join(map(_piece, pieces)) + ("" if last else "/"))
    return "".join(parts)


def _piece(piece: str) -> str:
    if len(piece) > 1:
        return _set(piece, negated=piece[1] == "!")
    return {"*": "[^/]*", "?": "[^/]"}.get(piece) or re.escape(piece)


def _set(piece: str, negated: bool) -> str:
    """A set of characters such as `[a-z]` or `[!0-9]`. Only ranges and `!` at the start are special in it."""
    body = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", piece[1 + negated : -1])
    if not body:  # no set
        return re.escape(piece)
    body = body[:1].replace("-", r"\-") + body[1:].replace("--", r"-\-")
    pattern = f"[{'^' if negated else ''}{body}]"
    try:
        re.compile(pattern)
    except re.error:  # a range without characters, such as `[z-a]`
        return "[^/]" if negated else "(?!)"
    return pattern


def _plain(below: str) -> bool:
    return not is_hidden(below)


def _outer_prefix(path: str, inner: str) -> str:
    """The prefix that turns a path of the file system into a path with its scheme."""
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
