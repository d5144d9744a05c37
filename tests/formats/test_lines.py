"""Byte ranges of files of lines: every line is in exactly one of them."""

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.formats import _lines
from datajob.formats._lines import Block, line_blocks, line_fragments
from datajob.formats.base import InputFile

BOM = b"\xef\xbb\xbf"
LINES = st.lists(st.sampled_from([b"", b"a", b"bb\r", b"ccc" * 20, b" "]), max_size=12)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "x.txt"


@settings(deadline=None, max_examples=300)
@given(
    lines=LINES,
    tail=st.sampled_from([b"", b"tail"]),
    bom=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=5),
    block=st.integers(1, 64),
)
def test_whatever_the_cut_every_line_is_read_once(
    path: Path, lines: list[bytes], tail: bytes, bom: bool, cuts: list[int], block: int
) -> None:
    text = b"".join(line + b"\n" for line in lines) + tail
    data = (BOM if bom else b"") + text
    path.write_bytes(data)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    ranges = [list(line_blocks(str(path), start, end, block)) for start, end in pairwise(edges)]
    found = [b for blocks in ranges for b in blocks]
    assert b"".join(b.data for b in found) == text
    assert all(data[b.offset : b.offset + len(b.data)] == b.data for b in found)
    assert all(b.data.endswith(b"\n") for b in found[:-1])
    assert b"".join(b.data for b in line_blocks(str(path), 0, -1, block)) == text


@settings(deadline=None)
@given(size=st.integers(0, 10_000), target=st.integers(1, 3_000))
def test_fragments_cover_a_file_without_gap(size: int, target: int) -> None:
    fragments = line_fragments(InputFile("x.txt", size, "1"), target)
    if len(fragments) == 1:
        assert (fragments[0].start, fragments[0].end) == (0, -1)
        assert size <= target * 3 // 2
    else:
        assert [f.start for f in fragments[1:]] == [f.end for f in fragments[:-1]]
        assert (fragments[0].start, fragments[-1].end) == (0, size)
        assert all(target / 2 <= f.weight <= target * 2 for f in fragments)


def test_compressed_files_stay_whole() -> None:
    assert len(line_fragments(InputFile("x.txt.gz", 1000, "1"), 10)) == 1


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_line_beyond_the_limit_is_shown_but_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(_lines, "MAX_LINE", 50)
    path.write_bytes(b"a\n" + b"x" * 5000 + b"\nb\nc\n")
    found = list(line_blocks(str(path), 0, -1, block))
    assert [b.data[:1] for b in found if b.too_long] == [b"x"]
    good = b"".join(b.data for b in found if not b.too_long)
    assert good == b"a\nb\nc\n"
    long = next(b for b in found if b.too_long)
    assert long.offset == 2
    assert list(line_blocks(str(path), 0, 3, block))[-1].offset == 2
    assert list(line_blocks(str(path), 3, 4000, block)) == []
    assert list(line_blocks(str(path), 5003, -1, 1000)) == [Block(5003, b"b\nc\n")]


def test_members_of_a_gzip_file_are_read_all(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert b"".join(b.data for b in line_blocks(str(tmp_path / "x.gz"), 0, -1, 10)) == b"a\nb\n"


def test_a_compressed_file_that_is_cut_short_names_itself(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b"%d\n" % i for i in range(10_000)))
    (tmp_path / "x.gz").write_bytes(data[:-1000])
    with pytest.raises(InputError, match=r"/x\.gz: cannot be read"):
        list(line_blocks(str(tmp_path / "x.gz"), 0, -1, 1000))
