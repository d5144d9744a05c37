"""Inputs pass bad records to their caller at once, and read on if the caller does not raise."""

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from datajob.engine.commit.shard import Shard
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.input.prefetch import BadRecord
from datajob.engine.input.sharding import ShardFragments
from datajob.errors import InputError
from datajob.formats.base import Fragment, InputFile, OnBadRecord

SCHEMA = pa.schema({"n": pa.int64()})


class Reader:
    """Finds a bad record in every file, and cannot read file 1 to its end."""

    add_columns: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.read_after_bad = 0

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        yield pa.table({"n": [int(fragment.file.path)]}, schema)
        on_bad(f"record of {fragment.file.path}", "bad")
        self.read_after_bad += 1
        if fragment.file.path == "1":
            raise InputError("1 ends too early")


def rows_and_bad(reader: Reader, on_bad: Any) -> list[int]:
    fragments = tuple(Fragment(InputFile(str(i), 10, "v"), 0, -1, 10) for i in range(3))
    source = FragmentInput((ShardFragments(0, fragments),), (reader,), SCHEMA, (SCHEMA,))  # type: ignore[arg-type]
    return [n for table in source.tables(Shard(0, "key", 1), on_bad) for n in table.column("n").to_pylist()]


def test_files_after_one_that_cannot_be_read_are_read() -> None:
    bad: list[BadRecord] = []
    assert rows_and_bad(Reader(), bad.append) == [0, 1, 2]
    assert [b.record for b in bad] == ["record of 0", "record of 1", "1", "record of 2"]
    assert [b.error is not None for b in bad] == [False, False, True, False]


def test_reading_stops_at_the_bad_record_on_which_the_caller_raises() -> None:
    def refuse(bad: BadRecord) -> None:
        raise ValueError(bad.record)

    reader = Reader()
    with pytest.raises(ValueError, match="record of 0"):
        rows_and_bad(reader, refuse)
    assert reader.read_after_bad == 0


class RowsAndBad:
    """Reads tables of ten rows, each after a bad record."""

    add_columns: ClassVar[dict[str, str]] = {}

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        for start in range(0, 50, 10):
            on_bad(str(start), "bad")
            yield pa.table({"n": range(start, start + 10)}, schema)
        on_bad("last", "bad")


@pytest.mark.parametrize("cuts", [[], [10], [15, 20, 33], [1, 2, 3], [49, 50], [5, 50, 54]])
def test_shards_of_one_file_share_its_rows_and_its_bad_records(cuts: list[int]) -> None:
    fragment = Fragment(InputFile("a", 10, "v"), 0, -1, 10)
    ends = [0, *cuts, 56]  # the bad records count
    shards = tuple(ShardFragments(0, (fragment,), (a, b)) for a, b in itertools.pairwise(ends))
    source = FragmentInput(shards, (RowsAndBad(),), SCHEMA, (SCHEMA,))  # type: ignore[arg-type]
    bad: list[BadRecord] = []
    rows = [
        n
        for i in range(len(shards))
        for table in source.tables(Shard(i, "key", 1), bad.append)
        for n in table.column("n").to_pylist()
    ]
    assert rows == list(range(50))
    assert sorted(b.record for b in bad) == ["0", "10", "20", "30", "40", "last"]
