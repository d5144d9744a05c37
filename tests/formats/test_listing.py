"""What the paths of a source mean."""

import os
from pathlib import Path

import pytest

from datajob.errors import InputError
from datajob.formats.listing import list_inputs

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
    ],
)
def test_paths_name_files_folders_or_globs(tree: Path, paths: tuple[str, ...], expected: list[str]) -> None:
    assert listed(tree, *paths) == expected


@pytest.mark.parametrize("path", ["nope", "nope/*.parquet", "*.csv", "lang=de/*.csv", "deep/_er/nope.parquet"])
def test_a_path_without_a_file_is_an_error_that_names_it(tree: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"no (such )?file") as error:
        listed(tree, path)
    assert f"{tree}/{path}" in str(error.value)


def test_a_folder_without_a_file_of_the_format_says_what_was_looked_for(tree: Path) -> None:
    with pytest.raises(InputError, match=r"looked for \.csv"):
        listed(tree, "", suffixes=(".csv",))


def test_folders_tell_hive_partitions(tree: Path) -> None:
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
