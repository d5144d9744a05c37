"""Small remote files are read several at once, and nothing about their rows shows it."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from datajob.engine.input.prefetch import SMALL, WINDOW, prefetch
from datajob.errors import InputError
from datajob.formats.base import Fragment, InputFile, OnBadRecord


def fragment(number: int, size: int = 10, scheme: str = "s3://bucket/") -> Fragment:
    return Fragment(InputFile(f"{scheme}{number}", size, "v"), 0, -1, size)


def tables_of(fragments: list[Fragment], read: object, bad: list[str]) -> list[int]:
    found = prefetch(fragments, read, lambda record, reason: bad.append(record))  # type: ignore[arg-type]
    return [value for _, tables in found for table in tables for value in table.column("n").to_pylist()]


def number_of(piece: Fragment) -> int:
    return int(piece.file.path.rsplit("/", 1)[-1])


def test_files_are_on_their_way_at_once_and_come_in_order() -> None:
    together = threading.Barrier(WINDOW, timeout=30)

    def read(piece: Fragment, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        if number_of(piece) < WINDOW:
            together.wait()  # only ends when as many files are being read at the same time
        yield pa.table({"n": [number_of(piece)]})

    assert tables_of([fragment(i) for i in range(100)], read, []) == list(range(100))


@pytest.mark.parametrize(("size", "scheme"), [(SMALL + 1, "s3://bucket/"), (10, "/data/")], ids=["large", "local"])
def test_large_and_local_files_are_streamed_one_by_one(size: int, scheme: str) -> None:
    thread = threading.current_thread()

    def read(piece: Fragment, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        assert threading.current_thread() is thread
        yield pa.table({"n": [number_of(piece)]})

    assert tables_of([fragment(i, size, scheme) for i in range(20)], read, []) == list(range(20))


def test_bad_records_and_files_reach_the_reader_in_their_place() -> None:
    def read(piece: Fragment, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        on_bad(f"record of {number_of(piece)}", "bad")
        yield pa.table({"n": [number_of(piece)]})
        if number_of(piece) == 7:
            raise InputError("file 7 ends too early")

    bad: list[str] = []
    seen: list[int] = []
    with pytest.raises(InputError, match="file 7"):
        for _, tables in prefetch([fragment(i) for i in range(20)], read, lambda record, reason: bad.append(record)):
            seen += [value for table in tables for value in table.column("n").to_pylist()]
    assert bad == [f"record of {i}" for i in range(8)]
    assert seen == list(range(7))
