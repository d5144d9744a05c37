"""WebDataset: samples read from tar files."""

import gzip
import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.formats import _tar_read
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.support.rows import Bad, read, write


def tar(path: Path, members: dict[str, bytes] | list[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def reader(path: Path, **parameters: object) -> WebdatasetReader:
    return WebdatasetReader(paths=(str(path),), **parameters)


MEMBERS = {
    "a/1.jpg": b"\xff\xd8",
    "a/1.json": '{"x":"é"}'.encode(),
    "a/._1.jpg": b"apple",
    "a/2.jpg": b"\xff\xd9",
    "a/2.seg.png": b"png",
    "README": b"no extension",
    "./b/3.x.json": b"{}",
}


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz")])
def test_members_with_the_same_name_form_a_row(tmp_path: Path, name: str, mode: str) -> None:
    tar(tmp_path / name, MEMBERS, mode)
    table = read(reader(tmp_path), batch_bytes=2)
    assert table.to_pylist() == [
        {"__key__": "a/1", "jpg": b"\xff\xd8", "json": '{"x":"é"}', "seg.png": None, "x.json": None},
        {"__key__": "a/2", "jpg": b"\xff\xd9", "json": None, "seg.png": b"png", "x.json": None},
        {"__key__": "b/3", "jpg": None, "json": None, "seg.png": None, "x.json": "{}"},
    ]
    assert table.schema.types == [pa.string(), pa.binary(), pa.string(), pa.binary(), pa.string()]


def test_the_requested_extensions_are_read(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", MEMBERS)
    assert read(reader(tmp_path, columns=("json", "__key__"))).to_pylist() == [
        {"json": '{"x":"é"}', "__key__": "a/1"},
        {"json": None, "__key__": "a/2"},
        {"json": None, "__key__": "b/3"},
    ]


def test_bad_samples_are_reported(tmp_path: Path) -> None:
    many = [(f"{i:03}.txt", b"x") for i in range(60)]
    path = tar(tmp_path / "x.tar", [*many, ("060.txt", b"\xff"), ("061.new", b"x"), ("062.txt", b"y")])
    bad = Bad()
    assert read(reader(tmp_path), bad).num_rows == 61
    assert bad.records == [
        ("\\xff", f"{path}:060: member .txt is not valid UTF-8"),
        ("", f"{path}:061: no sample before had a member .new; name the extensions to read in `columns`"),
    ]


@pytest.mark.parametrize("size", [0, 100, 512, 700, 1024, 1100, 1536, 1600, 2048, 2560])
def test_the_error_about_a_truncated_file_names_it(tmp_path: Path, size: int) -> None:
    path = tar(tmp_path / "x.tar", {"a.txt": b"x" * 600, "b.txt": b"y" * 600})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"x\.tar: .*truncated"):
        read(reader(tmp_path, columns=("txt",)))


EXTENSIONS = ["jpg", "txt", "seg.png", "none"]


@settings(deadline=None, max_examples=60)
@given(
    names=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(EXTENSIONS), st.booleans()), max_size=40),
    sizes=st.integers(0, 3000),
    target=st.integers(1, 20_000),
    format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_a_file_split_between_samples_has_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, names: list[tuple[int, str, bool]], sizes: int, target: int, format: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.tar"
    with tarfile.open(path, "w", format=format) as file:
        for position, (number, extension, long) in enumerate(sorted(names, key=lambda name: name[0])):
            folder = "é" * 120 if long else "a"  # a name that takes headers of its own
            info = tarfile.TarInfo(f"{folder}/{number:04}" + (f".{extension}" if extension != "none" else ""))
            info.size = sizes * position % 3001
            file.addfile(info, io.BytesIO(bytes(info.size)))
    cut = reader(path, columns=("__key__", "jpg", "txt", "seg.png"))
    assert read(cut, target=target).equals(read(cut))
    fragments = cut.fragments(cut.files()[0], target)
    assert fragments[0].start == 0 and fragments[-1].end == -1
    assert [f.end for f in fragments[:-1]] == [f.start for f in fragments[1:]]
    assert sum(f.weight for f in fragments) == path.stat().st_size
    assert all(f.weight >= target for f in fragments[:-1])


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz"])
def test_a_compressed_file_is_not_split(tmp_path: Path, name: str) -> None:
    tar(tmp_path / name, MEMBERS, "w:gz")
    whole = reader(tmp_path)
    assert len(whole.fragments(whole.files()[0], 1)) == 1


def test_an_empty_tar_file_has_no_rows(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", {})
    assert read(reader(tmp_path)).num_rows == 0


def test_samples_are_preserved_by_reading_and_writing(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", MEMBERS)
    table = read(reader(tmp_path))
    write(WebdatasetWriter(path=str(tmp_path / "out")), table)
    assert read(reader(tmp_path / "out")).equals(table)


MIXED = [("a.txt", b"A"), ("b.txt", b"B"), ("a.json", b"1"), ("c.txt", b"C"), ("b.json", b"2"), ("a.txt", b"again")]


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tar.xz", "w:xz")])
@pytest.mark.parametrize("target", [1, 1 << 20])
@pytest.mark.parametrize("in_memory", [1 << 20, 100])
def test_members_of_a_sample_do_not_have_to_be_adjacent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str, target: int, in_memory: int
) -> None:
    monkeypatch.setattr(_tar_read, "IN_MEMORY", in_memory)
    tar(tmp_path / name, MIXED, mode)
    assert [tuple(row.values()) for row in read(reader(tmp_path), target=target).to_pylist()] == [
        ("a", "1", "A"),
        ("b", "2", "B"),
        ("c", None, "C"),
        ("a", None, "again"),
    ]


@pytest.mark.parametrize("in_memory", [1 << 20, 100])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("target", [1, 1 << 20])
def test_concatenated_tar_files_are_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, compressed: bool, target: int
) -> None:
    monkeypatch.setattr(_tar_read, "IN_MEMORY", in_memory)
    parts = [
        tar(tmp_path / "part", [(f"{name}.txt", name.encode() * size)]).read_bytes()
        for name, size in (("a", 1), ("b", 512), ("c", 5000))
    ]
    data = b"".join([*parts, tar(tmp_path / "part", []).read_bytes()])
    (tmp_path / "part").unlink()
    path = tmp_path / ("x.tar.gz" if compressed else "x.tar")
    path.write_bytes(gzip.compress(data) if compressed else data)
    assert read(reader(tmp_path), target=target).column("txt").to_pylist() == ["a", "b" * 512, "c" * 5000]
    cut = b"".join(parts)[:-7000]
    path.write_bytes(gzip.compress(cut) if compressed else cut)
    with pytest.raises(InputError, match="truncated"):
        read(reader(tmp_path, columns=("txt",)), target=target)


def linked(path: Path, mode: str = "w") -> None:
    with tarfile.open(path, mode) as file:
        for name, kind, target in (
            ("d/e.txt", tarfile.SYMTYPE, "../a.txt"),
            ("a.txt", tarfile.REGTYPE, ""),
            ("c.txt", tarfile.LNKTYPE, "a.txt"),
            ("f.txt", tarfile.SYMTYPE, "gone.txt"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = 1 if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(b"A"))


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz")])
@pytest.mark.parametrize("target", [1, 1 << 20])
@pytest.mark.parametrize("in_memory", [1 << 20, 100])
def test_links_have_the_content_of_their_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str, target: int, in_memory: int
) -> None:
    monkeypatch.setattr(_tar_read, "IN_MEMORY", in_memory)
    linked(tmp_path / name, mode)
    bad = Bad()
    table = read(reader(tmp_path), bad, target=target)
    assert table.to_pydict() == {"__key__": ["d/e", "a", "c"], "txt": ["A", "A", "A"]}
    assert bad.reasons == [f"{tmp_path / name}:f: member .txt is a link to gone.txt, which is not in the file"]


@pytest.mark.parametrize("encoding", ["gbk", "latin-1"])
def test_names_that_are_not_utf8_affect_only_their_sample(tmp_path: Path, encoding: str) -> None:
    name = {"gbk": "数据", "latin-1": "café"}[encoding]
    with tarfile.open(tmp_path / "x.tar", "w", encoding=encoding, format=tarfile.USTAR_FORMAT) as file:
        for member in (f"{name}.txt", "b.txt", f"b.{name}"):
            info = tarfile.TarInfo(member)
            info.size = 1
            file.addfile(info, io.BytesIO(b"x"))
        info = tarfile.TarInfo("c.txt")
        file.addfile(info, io.BytesIO(b""))
    bad = Bad()
    assert read(reader(tmp_path), bad).to_pydict() == {"__key__": ["c"], "txt": [""]}
    assert [reason.rsplit(": ", 1)[1] for reason in bad.reasons] == ["its name is not valid UTF-8"] * 2
    bad.reasons[0].encode()
