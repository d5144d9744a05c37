"""WebDataset: samples in tar files."""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError, InvalidJob
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
def test_members_of_one_name_make_a_row(tmp_path: Path, name: str, mode: str) -> None:
    tar(tmp_path / name, MEMBERS, mode)
    table = read(reader(tmp_path), batch_bytes=2)
    assert table.to_pylist() == [
        {"__key__": "a/1", "jpg": b"\xff\xd8", "json": '{"x":"é"}', "seg.png": None, "x.json": None},
        {"__key__": "a/2", "jpg": b"\xff\xd9", "json": None, "seg.png": b"png", "x.json": None},
        {"__key__": "b/3", "jpg": None, "json": None, "seg.png": None, "x.json": "{}"},
    ]
    assert table.schema.types == [pa.string(), pa.binary(), pa.string(), pa.binary(), pa.string()]


def test_extensions_are_read_as_asked_for(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", MEMBERS)
    assert read(reader(tmp_path, columns=("json", "__key__"))).to_pylist() == [
        {"json": '{"x":"é"}', "__key__": "a/1"},
        {"json": None, "__key__": "a/2"},
        {"json": None, "__key__": "b/3"},
    ]


def test_bad_samples_go_aside(tmp_path: Path) -> None:
    many = [(f"{i:03}.txt", b"x") for i in range(60)]
    path = tar(tmp_path / "x.tar", [*many, ("060.txt", b"\xff"), ("061.new", b"x"), ("062.txt", b"y")])
    bad = Bad()
    assert read(reader(tmp_path), bad).num_rows == 61
    assert bad.records == [
        ("\\xff", f"{path}:060: member .txt is not valid UTF-8"),
        ("", f"{path}:061: no sample before had a member .new; name the extensions to read in `columns`"),
    ]


@pytest.mark.parametrize("size", [0, 100, 512, 700, 1024, 1100, 1536, 1600, 2048, 2560])
def test_a_cut_file_is_an_error_that_names_it(tmp_path: Path, size: int) -> None:
    path = tar(tmp_path / "x.tar", {"a.txt": b"x" * 600, "b.txt": b"y" * 600})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"x\.tar: .*cut short"):
        read(reader(tmp_path, columns=("txt",)))


EXTENSIONS = ["jpg", "txt", "seg.png", "none"]


@settings(deadline=None, max_examples=60)
@given(
    names=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(EXTENSIONS), st.booleans()), max_size=40),
    sizes=st.integers(0, 3000),
    target=st.integers(1, 20_000),
    format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_a_file_is_cut_between_samples_and_gives_the_rows_of_the_whole(
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
def test_a_compressed_file_is_not_cut(tmp_path: Path, name: str) -> None:
    tar(tmp_path / name, MEMBERS, "w:gz")
    whole = reader(tmp_path)
    assert len(whole.fragments(whole.files()[0], 1)) == 1


def test_an_empty_tar_file_has_no_rows(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", {})
    assert read(reader(tmp_path)).num_rows == 0


TABLE = pa.table(
    {
        "image": [b"\xff\xd8", b"\xff\xd9", None],
        "caption": ["é", "b", "c"],
        "score": [0.5, None, 1.0],
        "tags": [["a"], [], None],
    }
)


def test_rows_become_samples(tmp_path: Path) -> None:
    writer = WebdatasetWriter(path=str(tmp_path), members={"jpg": "image", "txt": "caption"}, samples=2)
    files = write(writer, TABLE)
    assert [(file.path, file.rows) for file in files] == [("00000-000.tar", 2), ("00000-001.tar", 1)]
    with tarfile.open(tmp_path / "00000-000.tar") as file:
        assert file.getnames() == [f"00000-000-0000000{i}.{end}" for i in (0, 1) for end in ("jpg", "txt", "json")]
    rows = read(reader(tmp_path)).to_pylist()
    assert [(row["jpg"], row["txt"]) for row in rows] == [(b"\xff\xd8", "é"), (b"\xff\xd9", "b"), (None, "c")]
    assert [json.loads(row["json"]) for row in rows] == TABLE.select(["score", "tags"]).to_pylist()
    assert len({row["__key__"] for row in rows}) == 3


def test_what_was_read_is_written_again(tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", MEMBERS)
    table = read(reader(tmp_path))
    write(WebdatasetWriter(path=str(tmp_path / "out")), table)
    assert read(reader(tmp_path / "out")).equals(table)


def test_keys_are_made_unique(tmp_path: Path) -> None:
    write(WebdatasetWriter(path=str(tmp_path)), pa.table({"__key__": ["a.b", "a.b", "", None], "txt": list("wxyz")}))
    rows = read(reader(tmp_path)).to_pylist()
    assert [row["txt"] for row in rows] == list("wxyz")
    assert [row["__key__"] for row in rows] == ["a_b", "a_b-00000001", "00000-000-00000002", "00000-000-00000003"]


def test_partitions_become_folders(tmp_path: Path) -> None:
    files = write(
        WebdatasetWriter(path=str(tmp_path), partition_by=("txt",)), pa.table({"txt": ["a", "b"], "jpg": [b"1", b"2"]})
    )
    assert [file.path for file in files] == ["txt=a/00000-000.tar", "txt=b/00000-000.tar"]
    assert read(reader(tmp_path)).select(["jpg", "txt"]).to_pydict() == {"jpg": [b"1", b"2"], "txt": ["a", "b"]}


@pytest.mark.parametrize(
    ("members", "columns", "message"),
    [
        ({"jpg": "imag"}, ("image", "caption"), "no column imag; did you mean image"),
        ({"json": "caption"}, ("image", "caption", "score"), "columns score go together into the member `json`"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, members: dict[str, str], columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        write(WebdatasetWriter(path=str(tmp_path), members=members), TABLE.select(columns))
