"""Write rows as samples of a tar file."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, SinkError, private
from datajob.formats._columns import did_you_mean
from datajob.formats._json_write import json_objects, json_values
from datajob.formats._media_members import media_members
from datajob.formats._tar_index import TarIndex
from datajob.formats._tar_read import is_member, split_name
from datajob.media.values import is_list, is_media, media_values

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "__key__"
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
    """Whether members named `<key>.<extension>` are text, according to the last part of the extension."""
    return extension.rsplit(".", 1)[-1].lower() in _TEXTS


@dataclass(frozen=True)
class Members:
    """The mapping of columns to members."""

    columns: Mapping[str, str]
    """The column of each extension."""
    media: tuple[str, ...]
    """Columns of media, whose extensions are those of their formats."""
    together: tuple[str, ...]
    """Columns in `json`."""


def plan_members(schema: pa.Schema, chosen: Mapping[str, str]) -> Members:
    """`chosen` (extension -> column), then media and columns named like an extension, and all others as one `json`.

    Raises InvalidJob for a missing column, and if `json` is needed for several columns but already used.
    """
    for extension, column in chosen.items():
        if column not in schema.names:
            raise InvalidJob(f"members.{extension}: the result has no column {column}{did_you_mean(column, schema.names)}.")
    columns = dict(chosen)
    together: list[str] = []
    media: list[str] = []
    for field in schema:
        if field.name == KEY or field.name in chosen.values():
            continue
        if is_media(field.type) and re.fullmatch(r"[A-Za-z0-9_]+", field.name):
            media.append(field.name)
            continue
        as_is = _is_bytes(field.type) or (_is_string(field.type) and is_text(field.name))
        if as_is and re.fullmatch(r"[a-z0-9_.]+", field.name) and field.name not in columns:
            columns[field.name] = field.name
        else:
            together.append(field.name)
    if together and "json" in columns:
        raise InvalidJob(
            f"sink.webdataset: columns {', '.join(together)} form one member `json`, but column "
            f"{columns['json']} is already written to it; set extensions in `members`, or drop the columns."
        )
    return Members(columns, tuple(media), tuple(together))


class TarEncoder:
    """Writes rows as samples, named by `__key__`; where it is null or missing, by the name of the file and a number."""

    held = 0

    def __init__(self, stream: pa.NativeFile, members: Members, stem: str) -> None:
        source: Any = stream
        self._tar = tarfile.open(fileobj=source, mode="w|", bufsize=1 << 20)  # noqa: SIM115 (closed in finish)
        self._members, self._stem = members, stem
        self._rows = 0
        self._keys: set[str] = set()
        self._index: TarIndex | None = None

    def accompany(self, streams: list[Any]) -> None:
        """The streams of the index."""
        self._index = TarIndex(streams)

    def write(self, table: pa.Table) -> None:
        """Append samples. Raises SinkError for a key that readers would not find."""
        import pyarrow as pa

        has_keys = KEY in table.column_names
        keys = table.column(KEY).cast(pa.string()).to_pylist() if has_keys else [None] * table.num_rows
        columns: dict[str, Sequence[bytes | memoryview | None]] = {
            extension: _encoded(table.column(column)) for extension, column in self._members.columns.items()
        }
        if self._members.together:
            columns["json"] = json_objects(table.select(self._members.together))
        media = media_members(table, self._members.media)
        for i, given in enumerate(keys):
            key = given or f"{self._stem}-{self._rows:08}"
            members = {extension: data for extension, values in columns.items() if (data := values[i]) is not None}
            members = self._united(media[i], members)
            members = members or {"json": b"{}"}  # a sample without members would not be a row
            self._check(key, next(iter(members)))
            for extension, data in members.items():
                self._add(key, extension, data)
            self._rows += 1

    def _united(
        self, media: dict[str, bytes | memoryview], members: dict[str, bytes | memoryview]
    ) -> dict[str, bytes | memoryview]:
        if both := media.keys() & members.keys():
            raise SinkError(
                f"sink.webdataset: a row has two members .{min(both)}: a column of that name, and the media in "
                f"{', '.join(self._members.media)}. Rename the column, or choose its extension in `members`."
            )
        return {**media, **members}

    def _check(self, key: str, extension: str) -> None:
        name = f"{key}.{extension}"
        why = "is not unique in its file" if key in self._keys else ""
        if split_name(name)[0] != key or not is_member(name) or name.startswith(("./", "/")) or "\0" in key:
            why = "is not allowed: extensions begin at the first dot, and names that begin with `.`, `/` or `__` are skipped"
        if why:
            raise SinkError(
                f"sink.webdataset: the key{private(f' {key[:200]!r}')} {why}. Change `{KEY}` with `compute`, such as "
                f"`replace({KEY}, '.', '_')`, or drop the column so that rows are numbered."
            )
        self._keys.add(key)

    def _add(self, key: str, extension: str, data: bytes | memoryview) -> None:
        member = tarfile.TarInfo(f"{key}.{extension}")
        member.size = len(data)
        start = self._tar.offset
        self._tar.addfile(member, io.BytesIO(data))
        if self._index is not None:
            self._index.add(key, extension, start, self._tar.offset, len(data))

    def flush(self) -> None:
        """Nothing is buffered."""

    def finish(self) -> None:
        """Write the end of the tar file, and the index."""
        if self._index is not None:
            self._index.finish(self._tar.offset)
        self._tar.close()


def _encoded(column: Any) -> Sequence[bytes | memoryview | None]:
    """Each value as the content of a member: bytes, media and text as they are, other values as JSON."""
    import pyarrow as pa

    kind = column.type
    if is_media(kind) and not is_list(kind):
        cells: Any = media_values(column)
        return [cell.data for cell in cells]
    if pa.types.is_dictionary(kind):
        return _encoded(column.cast(kind.value_type))
    if _is_bytes(kind):
        found: list[bytes | None] = column.to_pylist()
        return found
    if _is_string(kind) or isinstance(kind, pa.JsonType):
        return [None if value is None else value.encode() for value in column.cast(pa.string()).to_pylist()]
    return [None if text is None else text.encode() for text in json_values(column).to_pylist()]


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as t

    return any(test(kind) for test in (t.is_binary, t.is_large_binary, t.is_fixed_size_binary, t.is_binary_view))


def _is_string(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))
