"""The columns of JSON files, learnt from samples: everything when there is little, else head, middle and tail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._columns import rebuilt, unite
from datajob.formats._compression import codec_of
from datajob.formats._json_parse import JsonParser
from datajob.formats._lines import Block
from datajob.formats.base import InputFile

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 32 << 20
"""Bytes read to learn the columns, over all files."""
SAMPLE_FILES = 2000
"""Files they are taken from, evenly spread; of fewer but larger files more is read of each."""
PIECE_BYTES = 64 << 10
"""Least read at one place."""
EXPANSION = 4
"""How much larger compressed files are taken to be when they are decompressed."""
THREADS = 16

Blocks = Callable[[InputFile, int, int, int], Iterator[Block]]
"""Reads the lines that begin in a byte range of a file, in blocks of a size."""


def learn_schema(files: Sequence[InputFile], parser: JsonParser, blocks: Blocks) -> pa.Schema:
    """The columns of `files`. Strings stay strings, whatever they look like; what is null everywhere becomes a string.

    A few values of another type within a file do not count: they are bad records when they are read. Raises InputError
    when whole files disagree.
    """
    step = max(1.0, len(files) / SAMPLE_FILES)
    chosen = [files[int(i * step)] for i in range(min(len(files), SAMPLE_FILES))]
    total = sum(file.size * (EXPANSION if codec_of(file.path) else 1) for file in files)
    share = None if total <= SAMPLE_BYTES and len(chosen) == len(files) else SAMPLE_BYTES // len(chosen)

    def one(file: InputFile) -> pa.Schema:
        return _schema_of(_sampled(file, share, blocks), parser)

    with ThreadPoolExecutor(THREADS) as pool:
        return _finished(unite(dict(zip((file.path for file in chosen), pool.map(one, chosen), strict=True))))


def _sampled(file: InputFile, share: int | None, blocks: Blocks) -> Iterator[Block]:
    if share is None or file.size <= share:
        yield from blocks(file, 0, -1, SAMPLE_BYTES)
        return
    if codec_of(file.path):
        yield next(blocks(file, 0, -1, max(share, PIECE_BYTES)), Block(0, b""))
        return
    piece = max(share // 3, PIECE_BYTES)
    for start in sorted({0, max(0, file.size // 2 - piece // 2), max(0, file.size - piece)}):
        yield from blocks(file, start, min(file.size, start + piece), piece)


def _schema_of(blocks: Iterator[Block], parser: JsonParser) -> pa.Schema:
    """The columns of one file, each with the type that most of its values have (or one that holds all of them)."""
    import pyarrow as pa

    seen: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
    for block in blocks:
        for table in parser.tables(block, lambda line, reason: None):
            for field, column in zip(table.schema, table.columns, strict=True):
                with suppress(RecursionError):  # nested too deeply to be a column; the records will say so when they are read
                    kind = field.type if field.name in parser.schema.names else rebuilt(field.type, _times_as_text)
                    seen[field.name][kind] += table.num_rows - column.null_count
    return pa.schema([(name, _most(kinds)) for name, kinds in seen.items()])


def _most(kinds: dict[Any, int]) -> pa.DataType:
    import pyarrow as pa

    result: Any
    result, *others = sorted(kinds, key=lambda kind: -kinds[kind])
    for other in others:
        with suppress(pa.ArrowException):
            pair = [pa.schema([("", result)]), pa.schema([("", other)])]
            result = pa.unify_schemas(pair, promote_options="permissive").field(0).type
    most: pa.DataType = result
    return most


def _times_as_text(kind: Any) -> Any:
    import pyarrow as pa

    return pa.string() if pa.types.is_temporal(kind) else kind


def _finished(schema: pa.Schema) -> pa.Schema:
    """Strings for what was null everywhere. Raises InputError for objects without any field."""
    import pyarrow as pa

    for field in schema:
        if "struct<>" in str(field.type):
            raise InputError(
                f"Column {field.name} holds objects without any field in all that was sampled ({field.type}): name its "
                f"type in `schema`, such as `{field.name}: json` to keep their text, or leave it out by `columns`."
            )
    return pa.schema([(f.name, rebuilt(f.type, lambda kind: pa.string() if pa.types.is_null(kind) else kind)) for f in schema])
