"""Files are read ahead in order, and only as many as fit into memory."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.formats._read_ahead import Admit, read_ahead
from datajob.formats.media_files import fetch
from datajob.formats.media_sizes import estimated_sizes
from datajob.media.values import MediaValue, media_type

LIMIT = 100


def sizes_of(sizes: list[int], values: list[MediaValue] | None = None) -> Iterator[int]:
    """Reads values of these sizes, named by their position, and checks what is held."""
    held: dict[int, int] = {}
    lock = threading.Lock()

    def read(value: MediaValue, admit: Admit) -> int:
        number = int(value.path or -1)
        admit(sizes[number])
        with lock:
            held[number] = sizes[number]
            later = sum(size for each, size in held.items() if each > min(held))
            assert later <= LIMIT, held
        return number

    for number in read_ahead(read, values or [MediaValue(path=str(i)) for i in range(len(sizes))], threads=4, most=LIMIT):
        assert isinstance(number, int)
        yield number
        with lock:
            held.pop(number, None)


@pytest.mark.parametrize(
    "sizes",
    [[], [1], [1] * 50, [1000] * 20, [1, 1000] * 10, [60, 50, 40] * 8, [*range(0, 120, 7)] * 3],
    ids=["none", "one", "small", "all too large", "some too large", "some fit", "many sizes"],
)
def test_values_come_in_order_and_the_bytes_ahead_are_limited(sizes: list[int]) -> None:
    assert list(sizes_of(sizes)) == list(range(len(sizes)))


def test_values_with_bytes_between_large_files_do_not_block() -> None:
    values = [MediaValue(b"x", str(i)) if i % 3 else MediaValue(path=str(i)) for i in range(1, 31)]
    assert list(sizes_of([1000] * 31, values)) == list(range(1, 31))


def test_files_that_nobody_takes_do_not_hold_threads() -> None:
    found = sizes_of([1000] * 20)
    assert next(found) == 0
    before = threading.active_count()
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_files_larger_than_the_limit_are_fetched(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 30)
    values = [MediaValue(path=str(path)) for path in paths]
    assert list(read_ahead(lambda value, admit: fetch(value, admit=admit), values, 16, most=10)) == [*map(fetch, values)]


def test_sizes_of_references_are_estimated_without_reading(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(70))
    (tmp_path / "A.MP3").write_bytes(bytes(9))
    os.mkfifo(tmp_path / "pipe")
    texts = [
        "a.jpg", str(tmp_path / "a.jpg"), f"file://{tmp_path}/a.jpg", "a.jpg#bytes=3,40", "a.jpg#t=1,1.5", "a.jpg#t=1",
        "missing", "../x", "s3://b/c", "https://h/c", "a.jpg#bytes=1,2&bytes=1", "pipe", None, "", "A.MP3",
    ]  # fmt: skip
    expected = [70, 70, 70, 40, 96_000, 70, 0, 0, 256 << 10, 256 << 10, 0, 0, 0, 0, 72]
    column = pa.chunked_array([texts[:5], texts[5:]], pa.string())
    assert estimated_sizes(column, str(tmp_path)).tolist() == expected
    values = pa.chunked_array([[{"bytes": b"abc", "path": "a.jpg"}, {"bytes": None, "path": "a.jpg"}, None]], media_type())
    assert estimated_sizes(values, str(tmp_path)).tolist() == [3, 70, 0]
    lists = pa.chunked_array([[["a.jpg", None, "a.jpg#bytes=0,5"], [], None]], pa.list_(pa.string()))
    assert estimated_sizes(lists, str(tmp_path)).tolist() == [75, 0, 0]
    for other in ([1, 2], [b"ab", None], [{"a": 1}, None]):
        assert estimated_sizes(pa.chunked_array([other]), None).tolist() == [0, 0]
