"""What the paths of a source mean."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats.base import Reader
from datajob.formats.binary_files import BinaryFilesReader
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.json import JsonReader
from datajob.formats.listing import list_inputs
from datajob.formats.parquet import ParquetReader
from datajob.formats.text import TextReader
from datajob.formats.webdataset import WebdatasetReader
from tests.support.local_jobs import make_job, run
from tests.support.rows import read, write

TREE = (
    "a.parquet",
    "b.PARQUET",
    "notes.md",
    "_SUCCESS",
    "_datajob/commits/0.parquet",
    ".hidden/x.parquet",
    "lang=de/.part.parquet",
    "lang=de/x.parquet",
    "lang=de/year=2024/y.parquet",
    "lang=a%2Fb/z.parquet",
    "deep/er/w.parquet",
    "deep/_er/w.parquet",
    "odd[1]/v.parquet",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    return tmp_path


def listed(tree: Path, *paths: str, suffixes: tuple[str, ...] = (".parquet",)) -> list[str]:
    found = list_inputs([f"{tree}/{path}" if path else str(tree) for path in paths], suffixes)
    return [file.path.removeprefix(f"{tree}/") for file in found]


PLAIN = [
    "a.parquet",
    "b.PARQUET",
    "deep/er/w.parquet",
    "lang=a%2Fb/z.parquet",
    "lang=de/x.parquet",
    "lang=de/year=2024/y.parquet",
    "odd[1]/v.parquet",
]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("",), PLAIN),
        (("", "a.parquet", "*.parquet"), PLAIN),
        (("a.parquet",), ["a.parquet"]),
        (("notes.md",), ["notes.md"]),
        (("_datajob/commits/0.parquet",), ["_datajob/commits/0.parquet"]),
        (("_datajob",), ["_datajob/commits/0.parquet"]),
        (("*.parquet",), ["a.parquet"]),
        (("*.md",), ["notes.md"]),
        (("*",), PLAIN),
        (("**",), PLAIN),
        (("**/*.parquet",), [name for name in PLAIN if name != "b.PARQUET"]),
        (("lang=*",), PLAIN[3:6]),
        (("lang=*/",), PLAIN[3:6]),
        (("lang=*/*.parquet",), PLAIN[3:5]),
        (("deep/**/w.parquet",), ["deep/er/w.parquet"]),
        (("deep/?r/w.parquet",), ["deep/er/w.parquet"]),
        (("deep/_*/w.parquet",), ["deep/_er/w.parquet"]),
        (("[ab].*",), ["a.parquet", "b.PARQUET"]),
        (("[!a].*",), ["b.PARQUET"]),
        (("odd[1]",), ["odd[1]/v.parquet"]),
        (("deep", "a.parquet"), ["deep/er/w.parquet", "a.parquet"]),
        (("notes.md", "a.parquet", "notes.md"), ["notes.md", "a.parquet"]),
        (("lang=de", "*.parquet", ""), [*PLAIN[4:6], "a.parquet", *PLAIN[1:4], "odd[1]/v.parquet"]),
        (("{notes.md,a.parquet}",), ["notes.md", "a.parquet"]),
        (("{deep/er,lang=de}/*.parquet",), ["deep/er/w.parquet", "lang=de/x.parquet"]),
        (("{lang=de,{deep,odd[[]1]}}",), [*PLAIN[4:6], "deep/er/w.parquet", "odd[1]/v.parquet"]),
    ],
)
def test_paths_name_files_folders_or_globs(tree: Path, paths: tuple[str, ...], expected: list[str]) -> None:
    assert listed(tree, *paths) == expected


@pytest.mark.parametrize("path", ["nope", "nope/*.parquet", "*.csv", "lang=de/*.csv", "deep/_er/nope.parquet"])
def test_a_path_without_a_file_is_an_error_that_names_it(tree: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"no (such file|matching files)") as error:
        listed(tree, path)
    assert f"{tree}/{path}" in str(error.value)


def test_the_error_about_a_folder_without_matching_files_names_the_extensions(tree: Path) -> None:
    with pytest.raises(InputError, match=r"looked for \.csv"):
        listed(tree, "", suffixes=(".csv",))


def test_hive_partitions_come_from_folders(tree: Path) -> None:
    found = {file.path.rsplit("/", 1)[1]: file.partition for file in list_inputs([str(tree)], [".parquet"])}
    assert found["y.parquet"] == (("lang", "de"), ("year", "2024"))
    assert found["z.parquet"] == (("lang", "a/b"),)
    assert found["a.parquet"] == ()


def test_the_version_changes_with_the_file(tree: Path) -> None:
    before = list_inputs([f"{tree}/a.parquet"], [])[0]
    os.utime(tree / "a.parquet", ns=(1, 1))
    after = list_inputs([f"{tree}/a.parquet"], [])[0]
    assert (before.size, after.size) == (9, 9)
    assert before.version != after.version


def test_thousands_of_files_are_listed_in_order(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / f"{i:04}.json").touch()
    found = list_inputs([str(tmp_path)], [".json"])
    assert [file.path for file in found] == [f"{tmp_path}/{i:04}.json" for i in range(3000)]


def test_every_fsspec_url_is_listed_with_its_scheme(tmp_path: Path) -> None:
    import fsspec

    root = f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").pipe({f"{root}/x/a.json": b"1", f"{root}/x/_no.json": b"1"})
    for path in (root, f"{root}/x/a.json", f"{root}/*/a.json"):
        (file,) = list_inputs([path], [".json"])
        assert file.path == f"{root}/x/a.json"
        assert list_inputs([file.path], [])[0].path == file.path


def test_a_file_with_braces_in_its_name_is_read_under_this_name(tmp_path: Path) -> None:
    for name in ("{a,b}.parquet", "a.parquet", "b.parquet"):
        (tmp_path / name).write_bytes(b"x")
    assert listed(tmp_path, "{a,b}.parquet") == ["{a,b}.parquet"]
    (tmp_path / "{a,b}.parquet").unlink()
    assert listed(tmp_path, "{a,b}.parquet") == ["a.parquet", "b.parquet"]
    with pytest.raises(InputError, match=r"c\.parquet: no such file"):
        listed(tmp_path, "{a,c}.parquet")


def test_a_loop_of_links_gives_each_file_once(tree: Path) -> None:
    (tree / "self").symlink_to(".")
    (tree / "deep" / "er" / "up").symlink_to("../..")
    (tree / "deep" / "absolute").symlink_to(tree)
    assert listed(tree, "") == PLAIN
    assert listed(tree, "**/*.parquet") == [name for name in PLAIN if name != "b.PARQUET"]


def test_two_folders_that_link_to_each_other_give_each_file_once(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.parquet").touch()
        (tmp_path / name / "link").symlink_to(f"../{other}")
    assert listed(tmp_path, "") == ["a/a.parquet", "b/b.parquet"]
    assert listed(tmp_path, "a") == ["a/a.parquet", "a/link/b.parquet"]


def test_a_file_that_links_lead_to_is_read_once_under_its_own_name(tree: Path) -> None:
    (tree / "0.parquet").symlink_to("a.parquet")
    (tree / "1.parquet").symlink_to(tree / "0.parquet")
    (tree / "linked").symlink_to("deep")
    assert listed(tree, "") == PLAIN
    assert listed(tree, "0.parquet", "1.parquet") == ["0.parquet"]
    assert listed(tree, "linked") == ["linked/er/w.parquet"]
    assert listed(tree, "l*/er/w.parquet") == ["linked/er/w.parquet"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ("a[b.txt", "a[[]b.txt"),
        ("a[b.txt", "a[x[]b.txt"),
        ("a&b.txt", "a[x&&y]b.txt"),
        ("a|b.txt", "a[x||y]b.txt"),
        ("a~b.txt", "a[x~~y]b.txt"),
        ("a-b.txt", "a[+--]b.txt"),
        ("a.b.txt", "a[--0]b.txt"),
        ("a]b.txt", "a[]]b.txt"),
        ("a^b.txt", "a[^x]b.txt"),
        ("a\\b.txt", "a[\\x]b.txt"),
        ("acb.txt", "a[!a-b]b.txt"),
        ("acb.txt", "a[!z-a]b.txt"),
        ("a[]b.txt", "a[]b.tx?"),
        ("a[!]b.txt", "a[!]b.tx?"),
    ],
)  # fmt: skip
def test_sets_of_any_characters_in_globs_match_without_a_warning(tmp_path: Path, name: str, glob: str) -> None:
    (tmp_path / name).write_text("x")
    (tmp_path / "abb.txt").write_text("x")
    assert f"{tmp_path}/{name}" in [file.path for file in list_inputs([f"{tmp_path}/{glob}"], [])]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("glob", ["[z-a]*.txt", "[x--y].txt", "[&&].txt"])
def test_a_set_that_matches_no_name_finds_nothing(tmp_path: Path, glob: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no matching files"):
        list_inputs([f"{tmp_path}/{glob}"], [])


def test_links_to_what_is_outside_or_hidden_are_followed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = tmp_path_factory.mktemp("store")
    (store / "blob").write_bytes(b"12")
    (tree / "c.parquet").symlink_to(store / "blob")
    (tree / "shown").symlink_to(".hidden")
    assert listed(tree, "") == [*PLAIN[:2], "c.parquet", *PLAIN[2:], "shown/x.parquet"]
    assert [file.size for file in list_inputs([f"{tree}/c.parquet"], [])] == [2]


@pytest.mark.parametrize("glob", ["", "/*", "/**", "/*/*.csv", "/**/*.csv"])
def test_folders_of_partitions_may_begin_with_an_underscore(tmp_path: Path, glob: str) -> None:
    for folder in ("_k=1", "_k", ".k=1", "k=1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("x\n1\n")
    found = [file.path.removeprefix(f"{tmp_path}/") for file in list_inputs([f"{tmp_path}{glob}"], [".csv"])]
    assert found == ["_k=1/a.csv", "k=1/a.csv"]


@pytest.mark.parametrize("mode", ["error", "overwrite"])
def test_a_result_whose_partitions_begin_with_an_underscore_is_seen(tmp_path: Path, mode: str) -> None:
    (tmp_path / "in.csv").write_text("_k,x\n1,2\n")
    sink = {"csv": {"path": str(tmp_path / "out"), "partitionBy": ["_k"], "mode": mode}}
    job = make_job(tmp_path, tmp_path / "out", sources=[{"csv": {"paths": [str(tmp_path / "in.csv")]}}], sink=sink)
    run(job)
    if mode == "error":
        with pytest.raises(SinkError, match="already holds data"):
            run(job, fresh=True)
        return
    (tmp_path / "in.csv").write_text("_k,x\n2,3\n")
    run(job)
    assert read(CsvReader(paths=(str(tmp_path / "out"),))).to_pylist() == [{"x": 3, "_k": "2"}]


def test_a_partition_that_readers_skip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"readers skip folders whose names begin with `\.`; rename the column \.k"):
        write(CsvWriter(path=str(tmp_path), partition_by=(".k",)), pa.table({".k": [1], "x": [2]}))


def test_a_file_with_several_hard_links_is_read_under_each_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "b.txt").hardlink_to(tmp_path / "a.txt")
    assert read(TextReader(paths=(str(tmp_path),))).num_rows == 2


def test_a_link_to_nothing_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").symlink_to("gone")
    files = list_inputs([str(tmp_path)], [".txt"])
    assert [file.path for file in files] == [f"{tmp_path}/a.txt", f"{tmp_path}/b.txt"]
    with pytest.raises(InputError, match=r"b\.txt: cannot be read: it is a symbolic link to gone, which does not exist"):
        read(TextReader(paths=(str(tmp_path),)))


@pytest.mark.parametrize("reader", [TextReader, CsvReader, JsonReader, ParquetReader, BinaryFilesReader, WebdatasetReader])
def test_a_name_that_is_not_utf8_fails_with_a_reason(tmp_path: Path, reader: type[Reader]) -> None:
    suffix = (reader.suffixes or (".bin",))[0]
    path = os.fsencode(tmp_path) + b"/caf\xe9" + suffix.encode()
    with open(path, "wb") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"caf\\xe9\..*: cannot be read.*: its name is not valid UTF-8; rename it"):
        read(reader(paths=(str(tmp_path),)))
