"""Samples in tar files: members that are neighbours and share the name before the first dot."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import did_you_mean
from datajob.formats._json_write import plain
from datajob.formats._lines import opened

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "__key__"
HEADERS_BUFFER = 256 << 10
"""Bytes of one read while headers are looked for: a request of a store for each, or for each member that is larger."""
_TEXTS = frozenset(
    (
        "txt",
        "text",
        "caption",
        "transcript",
        "json",
        "jsonl",
        "cls",
        "cls2",
        "index",
        "inx",
        "id",
        "html",
        "xml",
        "md",
        "csv",
        "tsv",
        "yaml",
        "yml",
        "srt",
        "vtt",
    )
)


def is_text(extension: str) -> bool:
    """Whether members called `<key>.<extension>` are texts, by the last part of the extension."""
    return extension.rsplit(".", 1)[-1].lower() in _TEXTS


def split_name(name: str) -> tuple[str, str]:
    """`a/b.seg.png` -> (`a/b`, `seg.png`), as WebDataset does."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension.lower()


def samples(path: str, start: int = 0, end: int = -1) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members (by extension) of each sample between two bytes that `sample_starts` gave (-1: the end of the file).

    Raises InputError when the file is no tar file or is cut short.
    """
    key, members = "", dict[str, bytes]()
    for name, data in _members(path, start, end):
        found, extension = split_name(name)
        if members and (found != key or extension in members):
            yield key, members
            members = {}
        key = found
        members[extension] = data
    if members:
        yield key, members


def sample_starts(path: str) -> list[int]:
    """The byte at which each sample of a tar file that is not compressed begins, from the headers of its members.

    Raises InputError as `samples` does.
    """
    starts: list[int] = []
    key, extensions = "", set[str]()
    with opened(path) as stream:
        source: Any = io.BufferedReader(stream, HEADERS_BUFFER)
        with _tar_errors(path), tarfile.open(fileobj=source, mode="r:") as tar:
            for member in tar:
                if (name := _counted(member)) is not None:
                    found, extension = split_name(name)
                    if found != key or extension in extensions:
                        starts.append(member.offset)
                        extensions = set()
                    key = found
                    extensions.add(extension)
    return starts


def _members(path: str, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    with opened(path, start) as stream:
        source: Any = _Part(stream, end - start if end >= 0 else sys.maxsize)
        with _tar_errors(path), tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                if (name := _counted(member)) is not None:
                    content = tar.extractfile(member)
                    yield name, content.read() if content else b""
        if end < 0 and not source.end.endswith(bytes(tarfile.BLOCKSIZE)):
            raise InputError(f"{path}: cut short: the block of zeros that ends a tar file is missing.")


def _counted(member: tarfile.TarInfo) -> str | None:
    """The name of a member that belongs to a sample; None for folders, hidden files and those without an extension."""
    name = member.name.removeprefix("./")
    base = name.rsplit("/", 1)[-1]
    counts = member.isfile() and "." in base[1:] and not base.startswith(".") and not name.startswith("__")
    return name if counts else None


@contextmanager
def _tar_errors(path: str) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise InputError(f"{path}: not a tar file, or cut short: {error}.") from error


class _Part:
    """So many bytes of a stream. Keeps the end of what was read, because tarfile takes a header cut in half for the end."""

    def __init__(self, stream: pa.NativeFile, size: int) -> None:
        self.end = b""
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        self.end = (self.end + data[-tarfile.BLOCKSIZE :])[-tarfile.BLOCKSIZE :]
        return data


@dataclass(frozen=True)
class Members:
    """How a row becomes a sample: the column of each extension, and the columns that go into `json` together."""

    columns: Mapping[str, str]
    together: tuple[str, ...]


def plan_members(schema: pa.Schema, chosen: Mapping[str, str]) -> Members:
    """`chosen` (extension -> column), then columns named like an extension by themselves, the rest as one `json`.

    Raises InvalidJob for a column that is not there, and when the rest needs a `json` that is taken.
    """
    import pyarrow as pa

    for extension, column in chosen.items():
        if column not in schema.names:
            raise InvalidJob(f"members.{extension}: the result has no column {column}{did_you_mean(column, schema.names)}.")
    columns = dict(chosen)
    together = []
    for field in schema:
        if field.name == KEY or field.name in chosen.values():
            continue
        as_is = pa.types.is_binary(field.type) or (pa.types.is_string(field.type) and is_text(field.name))
        if as_is and re.fullmatch(r"[a-z0-9_.]+", field.name) and field.name not in columns:
            columns[field.name] = field.name
        else:
            together.append(field.name)
    if together and "json" in columns:
        raise InvalidJob(
            f"sink.webdataset: columns {', '.join(together)} go together into the member `json`, which column "
            f"{columns['json']} is written to already; give them extensions in `members`, or drop them."
        )
    return Members(columns, tuple(together))


class TarEncoder:
    """Writes rows as samples. `__key__` names them where there is such a column, else the file's name and a number."""

    held = 0

    def __init__(self, stream: pa.NativeFile, members: Members, stem: str) -> None:
        source: Any = stream
        self._tar = tarfile.open(fileobj=source, mode="w|", bufsize=1 << 20)  # noqa: SIM115 (closed in finish)
        self._members, self._stem = members, stem
        self._rows = 0
        self._keys: set[str] = set()

    def write(self, table: pa.Table) -> None:
        """Append samples."""
        for row in table.to_pylist():
            key = self._key(row.get(KEY))
            for extension, column in self._members.columns.items():
                if row[column] is not None:
                    self._add(f"{key}.{extension}", _encoded(row[column]))
            if self._members.together:
                rest = plain({name: row[name] for name in self._members.together})
                self._add(f"{key}.json", json.dumps(rest, ensure_ascii=False).encode())
            self._rows += 1

    def _key(self, given: str | None) -> str:
        """A key without a dot in its base name, and that no sample of this file has."""
        folder, slash, base = (given or "").strip("/").rpartition("/")
        key = f"{folder}{slash}{base.replace('.', '_')}" if base else f"{self._stem}-{self._rows:08}"
        if key in self._keys:
            key = f"{key}-{self._rows:08}"
        self._keys.add(key)
        return key

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self) -> None:
        """Write the end of the tar file."""
        self._tar.close()


def _encoded(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)).encode()
