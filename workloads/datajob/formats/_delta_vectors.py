"""Deletion vectors of Delta tables: which file has one, according to the log, and which rows it deletes."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from datajob.errors import InputError
from datajob.formats._roaring import check_sum, positions_of
from datajob.formats.folder import Folder
from datajob.formats.storage import join, readable

if TYPE_CHECKING:
    import numpy as np

LOG = "_delta_log"
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_TO_B85 = str.maketrans(_Z85, _B85)
_CHECKPOINT = re.compile(rf"{LOG}/(\d{{20}})\.checkpoint(?:\.(\d{{10}})\.(\d{{10}})|\.[0-9a-f-]{{36}})?\.(parquet|json)")

Actions = Iterable[Mapping[str, Any]]


def vectors(path: str, version: int) -> dict[str, str]:
    """References to deletion vectors by the path of their file, as in the log but decoded, at a version of a table."""
    folder = Folder(path)
    names = folder.list(LOG)
    start, parts = _checkpoint(names, version)
    found: dict[str, str] = {}
    for action in (*_of_checkpoint(folder, parts), *_of_commits(folder, range(start + 1, version + 1))):
        if add := action.get("add"):
            file = unquote(add["path"])
            found.pop(file, None)
            if vector := add.get("deletionVector"):
                found[file] = _reference(path, vector)
    return found


def deleted_rows(reference: str) -> np.ndarray[Any, Any]:
    """The positions that a deletion vector deletes. Raises InputError if it is damaged."""
    place, _, facts = reference.rpartition("#")
    offset, size, cardinality = map(int, facts.split(","))
    inline = place.startswith("inline:")
    data = _z85(place.removeprefix("inline:"))[:size] if inline else _stored(place, offset, size)
    found = positions_of(data, place, "delta")
    if len(found) != cardinality:
        raise InputError(f"{place}: the list of deleted rows is damaged: {len(found)} rows instead of {cardinality}.")
    return found


def _stored(place: str, offset: int, size: int) -> bytes:
    """A vector in a file: its size and the vector, followed by the checksum."""
    folder, _, name = place.rpartition("/")
    with readable(place, "as a deletion vector"), Folder(folder).open_input(name) as file:
        file.seek(offset)
        whole = bytes(file.read(size + 8))
    if len(whole) != size + 8 or int.from_bytes(whole[:4], "big") != size:
        raise InputError(f"{place}: the list of deleted rows is damaged: its size does not match.")
    check_sum(whole[4:-4], whole[-4:], place)
    return whole[4:-4]


def _reference(path: str, vector: Mapping[str, Any]) -> str:
    kind, stored = vector["storageType"], vector["pathOrInlineDv"]
    facts = f"#{vector.get('offset') or 0},{vector['sizeInBytes']},{vector['cardinality']}"
    if kind == "i":
        return f"inline:{stored}{facts}"
    if kind == "p":
        return f"{stored}{facts}"
    if kind != "u":
        raise InputError(f"{path}: the Delta table stores deletion vectors in an unknown way ({kind}).")
    prefix, name = stored[:-20], uuid.UUID(bytes=_z85(stored[-20:]))
    return f"{join(path, *([prefix] if prefix else []), f'deletion_vector_{name}.bin')}{facts}"


def _z85(text: str) -> bytes:
    return base64.b85decode(text.translate(_TO_B85))


def _checkpoint(names: Iterable[str], version: int) -> tuple[int, list[str]]:
    """The version and the files of the last complete checkpoint up to a version; -1 if there is none."""
    found: dict[tuple[int, str], list[str]] = {}
    for name in names:
        if (match := _CHECKPOINT.fullmatch(name)) and int(match[1]) <= version:
            found.setdefault((int(match[1]), match[3] or ""), []).append(name)
    complete = {key: some for key, some in found.items() if not key[1] or len(some) == int(key[1])}
    if not complete:
        return -1, []
    last = max(complete)
    return last[0], complete[last] if last[1] else complete[last][-1:]


def _of_checkpoint(folder: Folder, parts: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for name in parts:
        if name.endswith(".json"):
            actions: list[Mapping[str, Any]] = list(_lines(folder.read(name)))
        else:
            actions = _rows(folder, name)
        for action in actions:
            if sidecar := action.get("sidecar"):
                yield from _rows(folder, f"{LOG}/_sidecars/{sidecar['path'].rpartition('/')[2]}")
            else:
                yield action


def _rows(folder: Folder, name: str) -> list[Mapping[str, Any]]:
    """The actions of a Parquet file that can have deletion vectors or refer to other files."""
    import pyarrow.parquet as pq

    with readable(folder.join(name), "as Parquet"), folder.open_input(name) as file:
        opened = pq.ParquetFile(file)
        present = opened.schema_arrow.names
        wanted = [key for key in ("add.path", "add.deletionVector", "sidecar") if key.split(".")[0] in present]
        rows: list[Mapping[str, Any]] = opened.read(columns=wanted).to_pylist()
        return rows


def _of_commits(folder: Folder, versions: range) -> Iterator[Mapping[str, Any]]:
    for version in versions:
        yield from _lines(folder.read(f"{LOG}/{version:020}.json"))


def _lines(data: bytes) -> Iterator[Mapping[str, Any]]:
    return (json.loads(line) for line in data.splitlines() if line.strip())
