"""Small remote files are read several at a time; their rows are the same as if they were read one by one."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from datajob.engine.input.prefetch import SMALL, WINDOW, BadRecord, OnBad, Read, prefetch
from datajob.errors import InputError
from datajob.formats.base import Fragment, InputFile


def fragment(number: int, size: int = 10, scheme: str = "s3://bucket/") -> Fragment:
    return Fragment(InputFile(f"{scheme}{number}", size, "v"), 0, -1, size)


def numbers_of(fragments: list[Fragment], read: Read) -> list[int]:
    tables = prefetch(fragments, read, lambda bad: None)
    return [value for table in tables for value in table.column("n").to_pylist()]


def number_of(piece: Fragment) -> int:
    return int(piece.file.path.rsplit("/", 1)[-1])


def test_files_are_read_at_the_same_time_and_returned_in_order() -> None:
    together = threading.Barrier(WINDOW, timeout=200)

    def read(piece: Fragment, on_bad: OnBad) -> Iterator[pa.Table]:
        if number_of(piece) < WINDOW:
            together.wait()  # returns only once this many files are read at the same time
        yield pa.table({"n": [number_of(piece)]})

    assert numbers_of([fragment(i) for i in range(100)], read) == list(range(100))


@pytest.mark.parametrize(("size", "scheme"), [(SMALL + 1, "s3://bucket/"), (10, "/data/")], ids=["large", "local"])
def test_large_and_local_files_are_streamed_one_by_one(size: int, scheme: str) -> None:
    thread = threading.current_thread()

    def read(piece: Fragment, on_bad: OnBad) -> Iterator[pa.Table]:
        assert threading.current_thread() is thread
        yield pa.table({"n": [number_of(piece)]})

    assert numbers_of([fragment(i, size, scheme) for i in range(20)], read) == list(range(20))


def test_bad_records_and_errors_appear_in_their_places() -> None:
    def read(piece: Fragment, on_bad: OnBad) -> Iterator[pa.Table]:
        on_bad(BadRecord(f"record of {number_of(piece)}", "bad"))
        yield pa.table({"n": [number_of(piece)]})
        if number_of(piece) == 7:
            raise InputError("file 7 ends too early")

    seen: list[object] = []
    with pytest.raises(InputError, match="file 7"):
        for table in prefetch([fragment(i) for i in range(20)], read, lambda bad: seen.append(bad.record)):
            seen.extend(table.column("n").to_pylist())
    assert seen == [each for i in range(8) for each in (f"record of {i}", i)]
