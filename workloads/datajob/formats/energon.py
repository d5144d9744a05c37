"""The folder `.nv-meta`, with which a folder of tar files is a data set of Megatron Energon.

It contains the number of samples of each file, the files of each split, the class of the samples, and a SQLite index of all
samples and their members. `energon prepare` writes the same, but reads all files for it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from datajob.errors import SinkError, private
from datajob.formats._tar_index import MEMBERS, Member
from datajob.formats.atomic_file import AtomicFile
from datajob.parameters import Column, Parameters

if TYPE_CHECKING:
    from datajob.formats.base import OutputFile
    from datajob.formats.folder import Folder

CRUDE = "CrudeWebdataset"
META = ".nv-meta"
VERSION = "7.4.1"
"""Version of Energon whose layout is written."""
SPLITS = ("train", "val", "test")
_TABLES = """
CREATE TABLE samples (
    tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, sample_index INTEGER NOT NULL,
    byte_offset INTEGER, byte_size INTEGER);
CREATE TABLE sample_parts (
    tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, content_byte_offset INTEGER, content_byte_size INTEGER);
"""
_INDEXES = """
CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full
    ON sample_parts(tar_file_id, sample_index, part_name, content_byte_offset, content_byte_size);
"""


class Energon(Parameters):
    """Makes the result a data set of Megatron Energon, without `energon prepare`."""

    sample_type: str = Field(
        default=CRUDE,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="Class of samples in `megatron.energon`, such as `CaptioningSample`. By default, samples are not decoded.",
    )
    fields: dict[str, str] = Field(
        default={}, description="Members by the field of the class, such as `image: jpg`; required for other classes."
    )
    split: Column | None = Field(
        default=None,
        description="Column of `partitionBy` with the split of a sample, as `split` writes it. By default, all are in `train`.",
    )

    @model_validator(mode="after")
    def _fields_of_a_class(self) -> Self:
        if (self.sample_type == CRUDE) == bool(self.fields):
            raise ValueError(f"`fields` is required for all classes but `{CRUDE}`, and not allowed for it")
        return self


def write_metadata(sink: Folder, energon: Energon, files: Sequence[OutputFile], run: str) -> None:
    """Write `.nv-meta` for the files of a result. Raises SinkError if keys repeat, or a file has no index."""
    names = {file.path for file in files}
    tars = [file.path for file in files if file.path.endswith(".tar")]
    counts: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder, "index.sqlite")
        database = sqlite3.connect(path)
        database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}")
        for tar in tars:
            members = tar.removesuffix(".tar") + MEMBERS
            if members not in names:
                raise SinkError(f"{sink.join(tar)} was written without `energon`. Write the result with `mode: overwrite`.")
            if count := _insert(database, sink, tar, members, len(counts)):
                counts[tar] = count
        database.executescript(_INDEXES)
        database.commit()
        database.close()
        file = AtomicFile(sink.path, f"{META}/index.sqlite")
        with path.open("rb") as source:
            shutil.copyfileobj(source, file.stream)
        file.stream.close()
        file.commit()
    sink.write(f"{META}/index.uuid", str(uuid.uuid5(uuid.NAMESPACE_OID, run)).encode())
    sink.write(f"{META}/.info.json", json.dumps({"energon_version": VERSION, "shard_counts": counts}, indent=2).encode())
    sink.write(f"{META}/split.yaml", _yaml({"split_parts": _splits(energon, list(counts)), "exclude": []}))
    sink.write(f"{META}/dataset.yaml", _yaml(_dataset(energon)))


def _insert(database: sqlite3.Connection, sink: Folder, tar: str, members: str, number: int) -> int:
    """Add a file to the index. Returns its number of samples."""
    import pyarrow.parquet as pq

    with sink.open_input(members) as source:
        table = pq.read_table(source)
    end = int(table.schema.metadata[b"end"])
    samples: list[Member] = []
    parts: list[tuple[int, int, str, int, int]] = []
    for member in map(Member._make, zip(*(column.to_pylist() for column in table.columns), strict=True)):
        if not samples or samples[-1].key != member.key:
            samples.append(member)
        parts.append((number, len(samples) - 1, member.part, member.content, member.size))
    if not samples:
        return 0
    ends = [*(sample.start for sample in samples[1:]), end]
    rows = [(number, s.key, i, s.start, stop - s.start) for i, (s, stop) in enumerate(zip(samples, ends, strict=True))]
    try:
        database.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", rows)
    except sqlite3.IntegrityError as error:
        key = next(row[1] for row in rows if _is_known(database, row[1], number))
        raise SinkError(
            f"sink.webdataset: the key{private(f' {key[:200]!r}')} is in {tar} and in another file, but Energon needs unique "
            "keys. Change `__key__` with `compute`, or drop the column so that rows are numbered."
        ) from error
    database.executemany("INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", parts)
    return len(samples)


def _is_known(database: sqlite3.Connection, key: str, number: int) -> bool:
    found = database.execute("SELECT 1 FROM samples WHERE sample_key = ? AND tar_file_id < ?", (key, number))
    return found.fetchone() is not None


def _splits(energon: Energon, tars: Sequence[str]) -> dict[str, list[str]]:
    """The files of each split. `train`, `val` and `test` are always there."""
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for tar in tars:
        values = dict(_partition(tar))
        found.setdefault(values[energon.split] if energon.split else SPLITS[0], []).append(tar)
    return found


def _partition(path: str) -> Iterator[tuple[str, str]]:
    for folder in path.split("/")[:-1]:
        key, _, value = folder.partition("=")
        yield unquote(key), unquote(value)


def _dataset(energon: Energon) -> dict[str, object]:
    module = {"__module__": "megatron.energon"}
    if energon.sample_type == CRUDE:
        return {**module, "__class__": CRUDE}
    return {"sample_type": {**module, "__class__": energon.sample_type}, "field_map": energon.fields}


def _yaml(value: dict[str, object]) -> bytes:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
