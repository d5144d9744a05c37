"""The columns of JSON files, inferred from samples: all of a small input, otherwise head, middle and tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from datajob.formats._columns import rebuilt, unite_with_nulls
from datajob.formats._compression import codec_of
from datajob.formats._json_check import ADVICE
from datajob.formats._json_learn import FileLearner, Learned
from datajob.formats._json_parse import JsonParser
from datajob.formats._json_types import joined
from datajob.formats._lines import Block
from datajob.formats.base import InputFile

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 32 << 20
"""Bytes read to infer the columns, over all files."""
SAMPLE_FILES = 2000
"""Number of evenly spread files in the sample. From fewer but larger files, more is read of each."""
PIECE_BYTES = 64 << 10
"""Minimum bytes read at one position."""
EXPANSION = 4
"""Assumed compression ratio."""
THREADS = 16

Blocks = Callable[[InputFile, int, int, int], Iterator[Block]]
"""Reads the lines that begin in a byte range of a file, in blocks of a size."""


def learn_schema(files: Sequence[InputFile], declared: JsonParser, blocks: Blocks) -> pa.Schema:
    """The columns of `files` as in `learn_types`, with strings in place of types of which all values are null."""
    return _finished(learn_types(files, declared, blocks))


def learn_types(files: Sequence[InputFile], declared: JsonParser, blocks: Blocks) -> pa.Schema:
    """The columns of `files`, without those that are `declared`. A type is inferred only if it represents every value exactly.

    Strings stay strings, regardless of their content. A column of objects with different keys, or of numbers that no type
    represents, becomes JSON text. A few values of another type within a file are ignored; they are bad records when they are
    read. Raises InputError if the types of whole files are incompatible.
    """
    step = max(1.0, len(files) / SAMPLE_FILES)
    chosen = [files[int(i * step)] for i in range(min(len(files), SAMPLE_FILES))]
    total = sum(file.size * (EXPANSION if codec_of(file.path) else 1) for file in files)
    share = None if total <= SAMPLE_BYTES and len(chosen) == len(files) else SAMPLE_BYTES // len(chosen)

    def one(file: InputFile) -> Learned:
        learner = FileLearner(declared)
        for block in _sampled(file, share, blocks):
            learner.add(block.data)
        return learner.learned()

    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip((file.path for file in chosen), pool.map(one, chosen), strict=True))
    return unite_with_nulls(_with_json(found), f"Otherwise, {ADVICE}.")


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


def _with_json(found: Mapping[str, Learned]) -> dict[str, pa.Schema]:
    """The columns of the files. Columns that require JSON text in some files are JSON text in all files."""
    import pyarrow as pa

    large = {name for learned in found.values() for name in learned.large}
    negative = {name for learned in found.values() for name in learned.negative}
    united: dict[str, Any] = {}
    for learned in found.values():
        for name, kind in learned.kinds.items():
            united[name] = joined(united.get(name, kind), kind, name in large, name in negative)
    everywhere = (pa.json_(pa.string()), pa.uint64())
    return {
        path: pa.schema([(name, united[name] if united[name] in everywhere else kind) for name, kind in learned.kinds.items()])
        for path, learned in found.items()
    }


def _finished(schema: pa.Schema) -> pa.Schema:
    """Strings in place of the type null."""
    import pyarrow as pa

    return pa.schema([(f.name, rebuilt(f.type, lambda kind: pa.string() if pa.types.is_null(kind) else kind)) for f in schema])
