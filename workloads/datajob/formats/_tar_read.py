"""Read samples from tar files: members with the same name before the first dot, anywhere in the file."""

from __future__ import annotations

import io
import posixpath
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any

from datajob.errors import InputError
from datajob.formats._compression import codec_of
from datajob.formats._lines import opened
from datajob.formats._tar_source import Joined, TarSource
from datajob.formats.storage import scheme_of

HEADERS_BUFFER = 256 << 10
"""Bytes of one read in the search for headers: one storage request each, or one per member if members are larger."""
IN_MEMORY = 64 << 20
"""Up to this size, a compressed or remote file is held in memory."""
COPY_BYTES = 1 << 20


@dataclass
class Sample:
    """Members with the same name, by extension."""

    key: str
    members: dict[str, bytes] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and length of the members that are not read."""
    problem: str | None = None
    """Why it cannot be read completely."""


@dataclass(frozen=True)
class _Member:
    """The content of a header."""

    name: str
    header: int
    """Position of its header."""
    data: int
    size: int
    link: str | None = None
    """The target, if it is a link."""


def split_name(name: str) -> tuple[str, str]:
    """`a/b.seg.png` -> (`a/b`, `seg.png`), as WebDataset does."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension.lower()


def is_member(name: str) -> bool:
    """Whether a file with this name belongs to a sample: it is not hidden and has an extension."""
    base = name.rsplit("/", 1)[-1]
    return "." in base[1:] and not base.startswith(".") and not name.startswith("__")


def is_utf8(name: str) -> bool:
    """Whether a name from tarfile is valid text."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def sample_places(path: str, start: int, end: int, is_read: Callable[[str], bool]) -> Iterator[Sample]:
    """The samples between two bytes of an uncompressed file. Only members with extensions that `is_read` accepts are read."""
    with opened(path, start) as stream:
        buffered = io.BufferedReader(stream, HEADERS_BUFFER) if scheme_of(path) else stream
        yield from _by_index(path, TarSource(buffered, start, end, seekable=True), end < 0, is_read)


def samples(path: str, start: int = 0, end: int = -1) -> Iterator[Sample]:
    """The samples between two bytes that `sample_starts` gave (-1: the end of the file), in the order of their first members.

    A compressed or remote file is copied first, to memory or, if it is large, to a temporary file. Raises InputError if the
    file is not a tar file or is truncated.
    """
    with opened(path, start) as stream:
        if _is_local(path):
            yield from _by_index(path, TarSource(stream, start, end, seekable=True), whole=end < 0)
        elif start or end >= 0:  # the members of these samples are adjacent
            size = end - start if end >= 0 else sys.maxsize
            yield from _in_order(path, TarSource(stream, 0, size, seekable=False), whole=end < 0)
        else:
            with SpooledTemporaryFile(IN_MEMORY, prefix="datajob-") as copy:
                while piece := stream.read(COPY_BYTES):
                    copy.write(piece)
                copy.seek(0)
                yield from _by_index(path, TarSource(copy, 0, -1, seekable=True), whole=True)


def first_samples(path: str) -> Iterator[Sample]:
    """The samples of a file as far as they are known without reading all of it. Members that are not adjacent are separate."""
    if _is_local(path):
        yield from samples(path)
        return
    with opened(path) as stream:
        head: bytes = stream.read(IN_MEMORY + 1)
        if len(head) <= IN_MEMORY:
            yield from _by_index(path, TarSource(io.BytesIO(head), 0, -1, seekable=True), whole=True)
        else:
            yield from _in_order(path, TarSource(Joined(head, stream), 0, -1, seekable=False), whole=True)


def _is_local(path: str) -> bool:
    """Whether parts of a file can be read from its disk."""
    return codec_of(path) is None and not scheme_of(path)


def sample_starts(path: str) -> list[int]:
    """The positions of the samples in an uncompressed file; empty if its parts cannot be read independently.

    Raises InputError as `samples` does.
    """
    with opened(path) as stream:
        buffered = io.BufferedReader(stream, HEADERS_BUFFER)
        with _tar_errors(path):
            members = [member for member, _ in _members(path, TarSource(buffered, 0, -1, seekable=True), whole=True)]
    starts: list[int] = []
    seen: set[str] = set()
    last, extensions = "", set[str]()
    for member in members:
        key, extension = split_name(member.name)
        if member.link is not None or (key != last and key in seen):
            return []
        if key != last or extension in extensions:
            starts.append(member.header)
            extensions = set()
        extensions.add(extension)
        seen.add(key)
        last = key
    return starts


def _by_index(
    path: str, source: TarSource, whole: bool, is_read: Callable[[str], bool] = lambda extension: True
) -> Iterator[Sample]:
    """Read all headers first, then sample by sample."""
    with _tar_errors(path):
        found = [member for member, _ in _members(path, source, whole)]
    by_name = {member.name: member for member in found if member.link is None}
    open_samples: dict[str, dict[str, _Member]] = {}
    grouped: list[tuple[str, dict[str, _Member]]] = []
    for member in found:
        key, extension = split_name(member.name)
        if extension in open_samples.setdefault(key, {}) or not open_samples[key]:
            open_samples[key] = {}
            grouped.append((key, open_samples[key]))
        open_samples[key][extension] = member
    for key, members in grouped:
        sample = Sample(key)
        for extension, member in members.items():
            target = _target(member, by_name)
            if target is None:
                sample.problem = f"member .{extension} is a link to {member.link}, which is not in the file"
            elif is_read(extension):
                sample.members[extension] = source.at(target.data, target.size)
            else:
                sample.places[extension] = (target.data, target.size)
        yield sample


def _target(member: _Member, by_name: dict[str, _Member]) -> _Member | None:
    return member if member.link is None else by_name.get(member.link)


def _in_order(path: str, source: TarSource, whole: bool) -> Iterator[Sample]:
    """Read the file once from start to end. Members that are not adjacent form separate samples."""
    sample: Sample | None = None
    with _tar_errors(path):
        for member, content in _members(path, source, whole):
            key, extension = split_name(member.name)
            if sample is not None and (key != sample.key or extension in sample.members):
                yield sample
                sample = None
            sample = sample or Sample(key)
            sample.members[extension] = content() if member.link is None else b""
    if sample is not None:
        yield sample


def _members(path: str, source: TarSource, whole: bool) -> Iterator[tuple[_Member, Any]]:
    """The members of samples, each with a function to read it. Supports several concatenated tar files."""
    while True:
        with tarfile.open(fileobj=source, mode="r:") as tar:  # type: ignore[call-overload]
            for member in tar:
                name = member.name.removeprefix("./")
                if (member.isfile() or member.islnk() or member.issym()) and is_member(name):
                    link = None if member.isfile() else _link(name, member)
                    yield (
                        _Member(name, member.offset, member.offset_data, member.size, link),
                        lambda member=member: source.at(member.offset_data, member.size),
                    )
                tar.members = []
            ended = tar.offset
        if source.done(ended):
            return
        following = source.behind_zeros(ended)
        if following is None:
            if whole:
                raise InputError(f"{path}: truncated: the block of zeros at the end of a tar file is missing.")
            return
        if following < 0:
            return
        source.seek(following)


def _link(name: str, member: tarfile.TarInfo) -> str:
    """The name of the target of a link."""
    target = member.linkname if member.islnk() else posixpath.join(posixpath.dirname(name), member.linkname)
    return posixpath.normpath(target)


def printable(name: str) -> str:
    """A name from tarfile with invalid bytes escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def _tar_errors(path: str) -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise InputError(f"{path}: not a tar file, or truncated: {error}.") from error
