"""Files in the parameters of a step, as part of its identity: if their content changes, its shards are processed again."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from datajob.errors import DataJobError
from datajob.formats.storage import readable, resolve, scheme_of

LOCAL_CONTENT_BYTES, REMOTE_CONTENT_BYTES = 256 << 20, 64 << 20
"""A larger file is identified by its size and modification time instead of its content."""
_BLOCK = 8 << 20
_remote: dict[str, Any] = {}
"""The identities of remote files that this process has computed."""


def file_identity(path: str, within: str | None = None) -> Any:
    """Identifies the content of a file, or of all files of a folder (only `within`, if given). None if it does not exist.

    Files are identified by a digest of their content, large ones by their size and modification time. Raises InputError
    if the content cannot be read.
    """
    with readable(path):
        if not scheme_of(path):
            return _local(Path(path.removeprefix("file://")).expanduser(), within)
        found = _remote[path] = _in_store(path, within)
        return found


def version_of(path: str) -> Any:
    """A key that changes with the file, for caching data loaded from `path`."""
    if scheme_of(path):
        return repr(_remote.get(path))
    local = Path(path.removeprefix("file://")).expanduser()
    return (stat.st_size, stat.st_mtime_ns) if local.exists() and (stat := local.stat()) else None


def read_file(path: str) -> bytes:
    """The content of a local or remote file. Raises InputError if it cannot be read."""
    with readable(path):
        filesystem, inner = resolve(path)
        with filesystem.open_input_stream(inner, compression=None) as file:
            content: bytes = file.read()
        return content


def local_copy(path: str) -> str:
    """A path that C libraries can open: the file itself, or a copy of a remote file for the lifetime of this process."""
    if not scheme_of(path):
        return str(Path(path.removeprefix("file://")).expanduser())
    folder = Path(_folder())
    digest = hashlib.sha256(repr((path, version_of(path))).encode()).hexdigest()[:16]
    copy, part = folder / f"{digest}-{path.rstrip('/').rpartition('/')[2]}", folder / uuid.uuid4().hex
    if not copy.exists():
        with readable(path):
            filesystem, inner = resolve(path)
            with filesystem.open_input_stream(inner, compression=None) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
        part.rename(copy)
    return str(copy)


def named_in(value: Any) -> Iterator[str]:
    """The strings anywhere in `value` that are paths of existing local files or possibly of remote objects."""
    if isinstance(value, str):
        if scheme_of(value) not in ("", "http", "https") or _is_local_file(value):
            yield value
    elif isinstance(value, dict):
        yield from named_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from named_in(part)


def identities(paths: Iterable[str]) -> dict[str, Any]:
    """What identifies each of these files; those that cannot be read are left out: they may not be files."""
    found: dict[str, Any] = {}
    for path in paths:
        try:
            found[path] = file_identity(path)
        except DataJobError:
            continue
    return found


def _is_local_file(value: str) -> bool:
    try:
        return os.path.isfile(os.path.expanduser(value))
    except ValueError:  # a null byte
        return False


def _local(path: Path, within: str | None) -> Any:
    if not path.exists():
        return None
    if not path.is_dir():
        return _local_file(path)
    if within is not None:
        return _local(path / within, None)
    files = sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return {str(file.relative_to(path)): _local_file(file) for file in files if file.is_file()}


def _local_file(path: Path) -> Any:
    stat = path.stat()
    if stat.st_size > LOCAL_CONTENT_BYTES:
        return [stat.st_size, stat.st_mtime_ns]
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_store(path: str, within: str | None) -> Any:
    from pyarrow.fs import FileSelector, FileType

    filesystem, inner = resolve(path)
    info: Any = filesystem.get_file_info(inner)
    if info.type == FileType.NotFound:
        return None
    if info.type != FileType.Directory:
        return _object(filesystem, info)
    if within is not None:
        return _in_store(f"{path.rstrip('/')}/{within}", None)
    found: list[Any] = sorted(filesystem.get_file_info(FileSelector(inner, recursive=True)), key=lambda file: str(file.path))
    return {file.path[len(inner) :]: _object(filesystem, file) for file in found if file.type == FileType.File}


def _object(filesystem: Any, info: Any) -> Any:
    if info.size > REMOTE_CONTENT_BYTES:
        return [info.size, info.mtime_ns]
    digest = hashlib.sha256()
    with filesystem.open_input_stream(info.path, compression=None) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@cache
def _folder() -> str:
    """Where copies of remote files are."""
    folder = tempfile.mkdtemp(prefix="datajob-files-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
