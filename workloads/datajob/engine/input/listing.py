"""Lists the input of a run and cuts it into shards. Only this module opens data before the first stage starts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.input.added_columns import added_to_schema
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.input.sharding import (
    MAX_FRAGMENTS,
    MODEL_PARTS,
    MODEL_ROWS,
    ShardFragments,
    model_fragments,
    model_line_target,
    model_target,
    pack,
    shard_target,
)
from datajob.errors import InputError
from datajob.formats._exact import TypeConflictError, unite_types
from datajob.formats.base import Fragment, InputFile, Reader

if TYPE_CHECKING:
    import pyarrow as pa

THREADS = 16
FEW_FILES = 16
"""Formats that must scan a file to cut it do so only up to this many files; more files keep a cluster busy without it."""


@dataclass(frozen=True)
class Listing:
    """The input of a run."""

    source: FragmentInput
    files: int
    size: int
    """Bytes."""
    target: int
    """Bytes of input per shard."""


def list_input(readers: Sequence[Reader], target: int | None, inference: bool, lenient: bool = False) -> Listing:
    """List the files of all readers, unite their columns and cut shards.

    If `lenient`, files that cannot be read are ignored here. They are counted as failed when a worker reads them.

    Raises InputError if a file is missing or unreadable, or if the types of a column cannot be united.
    """
    files = [reader.files() for reader in readers]
    size = sum(f.size for some in files for f in some)
    target = target or (model_target if inference else shard_target)(size)
    learn = _schema_of_readable if lenient else _schema
    schemas = [learn(reader, some) for reader, some in zip(readers, files, strict=True)]
    for reader, schema, some in zip(readers, schemas, files, strict=True):
        reader.check_names(schema, some)
    maximum = model_fragments(sum(map(len, files))) if inference else MAX_FRAGMENTS
    shards: list[ShardFragments] = []
    for number, (reader, some) in enumerate(zip(readers, files, strict=True)):
        wanted = _line_target(reader, some, target, lenient) if inference else target
        shards += pack(number, _fragments(reader, some, wanted, lenient), wanted, maximum)
    if inference:
        shards = _divided(shards, readers, lenient)
    united = unite([added_to_schema(reader, schema) for reader, schema in zip(readers, schemas, strict=True)])
    source = FragmentInput(tuple(shards), tuple(readers), united, tuple(schemas))
    return Listing(source, sum(map(len, files)), size, target)


def _line_target(reader: Reader, files: Sequence[InputFile], target: int, lenient: bool) -> int:
    try:
        row_bytes = reader.row_bytes(files)
    except InputError:
        if not lenient:
            raise
        row_bytes = None
    return target if row_bytes is None else model_line_target(target, sum(f.size for f in files), row_bytes)


def _divided(shards: Sequence[ShardFragments], readers: Sequence[Reader], lenient: bool) -> list[ShardFragments]:
    """Divide shards of one fragment into shards of a few rows, if the format provides the number of rows."""

    def one(shard: ShardFragments) -> list[ShardFragments]:
        try:
            rows = readers[shard.source].count(shard.fragments[0]) if len(shard.fragments) == 1 else None
        except InputError:
            if not lenient:
                raise
            rows = None
        return [shard] if rows is None or rows <= MODEL_ROWS else shard.divided(rows, min(MODEL_PARTS, -(-rows // MODEL_ROWS)))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(itertools.chain.from_iterable(pool.map(one, shards)))


def _schema(reader: Reader, files: Sequence[InputFile]) -> pa.Schema:
    return reader.schema(files)


def _schema_of_readable(reader: Reader, files: Sequence[InputFile]) -> pa.Schema:
    try:
        return reader.schema(files)
    except InputError:
        with ThreadPoolExecutor(THREADS) as pool:
            readable = list(itertools.compress(files, pool.map(lambda f: _is_readable(reader, f), files)))
        if not readable:
            raise
        return reader.schema(readable)


def _is_readable(reader: Reader, file: InputFile) -> bool:
    try:
        reader.schema([file])
    except InputError:
        return False
    return True


def _fragments(reader: Reader, files: Sequence[InputFile], target: int, lenient: bool) -> list[Fragment]:
    def cut(file: InputFile) -> list[Fragment]:
        try:
            return reader.fragments(file, target)
        except InputError:
            if lenient:
                return [Fragment(file, 0, -1, file.size)]
            raise

    if reader.cutting_reads and len(files) > FEW_FILES:
        return [Fragment(file, 0, -1, file.size) for file in files]
    large = [f for f in files if f.size > target]  # only these are opened
    with ThreadPoolExecutor(THREADS) as pool:
        pieces = dict(zip(large, pool.map(cut, large), strict=True))
    return list(itertools.chain.from_iterable(pieces[f] if f.size > target else cut(f) for f in files))


def unite(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all sources. Raises InputError if no type holds the values that two sources have in a column."""
    import pyarrow as pa

    if len(schemas) == 1:
        return schemas[0]
    try:
        kinds = unite_types(enumerate(schemas, start=1))
    except TypeConflictError as conflict:
        raise InputError(
            f"Column {conflict.column} is {conflict.found} in source {conflict.second} but {conflict.known} in the sources "
            "before it, and no type can represent the values of both without loss. Declare its type in `schema` if the format "
            "supports it, or exclude the column from one of them (`columns`)."
        ) from conflict
    return pa.schema(list(kinds.items()))
