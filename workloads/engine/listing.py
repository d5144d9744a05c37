"""Lists the input of a run and cuts it in shards: the only look at the data before work begins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.engine.inputs import FragmentInput
from workloads.engine.units import MAX_FRAGMENTS, pack, shard_target
from workloads.errors import InputError
from workloads.formats.base import Fragment, InputFile, Reader

if TYPE_CHECKING:
    import pyarrow as pa

MODEL_FRAGMENTS = 64
"""Files per shard when a model runs: what an interrupted inference job repeats at most."""


@dataclass(frozen=True)
class Listing:
    """The input of a run."""

    source: FragmentInput
    files: int
    size: int
    """Bytes."""
    target: int
    """Bytes of a shard."""


def list_input(readers: Sequence[Reader], target: int | None, inference: bool) -> Listing:
    """List the files of all readers, unite their columns and cut shards.

    Raises InputError when something is missing or unreadable, or when a column has types that do not unite.
    """
    files = [reader.files() for reader in readers]
    size = sum(f.size for some in files for f in some)
    target = target or shard_target(size)
    schemas = [reader.schema(some) for reader, some in zip(readers, files, strict=True)]
    most = MODEL_FRAGMENTS if inference else MAX_FRAGMENTS
    shards = [
        shard
        for number, (reader, some) in enumerate(zip(readers, files, strict=True))
        for shard in pack(number, _fragments(reader, some, target), target, most)
    ]
    source = FragmentInput(tuple(shards), tuple(readers), unite(schemas), tuple(schemas))
    return Listing(source, sum(map(len, files)), size, target)


def _fragments(reader: Reader, files: Sequence[InputFile], target: int) -> list[Fragment]:
    with ThreadPoolExecutor(16) as pool:
        return list(itertools.chain.from_iterable(pool.map(lambda f: reader.fragments(f, target), files)))


def unite(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all sources. Raises InputError when two sources disagree about a column's type."""
    import pyarrow as pa

    if len(schemas) == 1:
        return schemas[0]
    try:
        return pa.unify_schemas([s.remove_metadata() for s in schemas], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(
            f"The sources have a column of the same name with types that do not unite: {error}. "
            "Read the column under its own name or leave it out (`columns`) in one of them."
        ) from error
