"""Files that a step names, and modules that its function imports: a change of them makes it other work."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from datajob.errors import InputError
from datajob.formats.storage import resolve
from datajob.operators.files import LOCAL_CONTENT_BYTES, file_identity, local_copy
from datajob.operators.registry import all_operators
from datajob.operators.table.custom import Custom
from datajob.operators.table.map import Map
from datajob.operators.text._word_lists import words_from
from datajob.parameters import ReadsFile, named_files
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

NAMES_A_FILE: dict[str, dict[str, Any]] = {
    "aesthetics": {"head": "{}"},
    "audioLanguage": {"model": "{}"},
    "chunkText": {"unit": "tokens", "modelTokenizer": "{}"},
    "classifyImage": {"model": "{}", "labels": ["a cat", "a dog"]},
    "clipSimilarity": {"model": "{}"},
    "embed": {"model": "{}", "column": "text"},
    "fasttextClassifier": {"model": "{}", "label": "good"},
    "flaggedWords": {"file": "{}"},
    "imageEmbed": {"model": "{}"},
    "llavaCaption": {"model": "{}", "column": "image"},
    "nsfw": {"model": "{}"},
    "perplexity": {"model": "{}", "tokenizer": "{}"},
    "speechQuality": {"model": "{}"},
    "stopWordRatio": {"file": "{}"},
    "textGeneration": {"model": "{}", "prompt": "{{text}}"},
    "tokenCount": {"tokenizer": "{}"},
    "tokenize": {"tokenizer": "{}", "messages": "messages", "chatTemplate": "{}"},
    "transcribe": {"model": "{}"},
    "visionLanguage": {"model": "{}", "prompt": "{{text}}", "image": "image"},
    "watermark": {"model": "{}"},
}


def operator(key: str, path: object) -> Any:
    given = {name: value.format(path) if value == "{}" else value for name, value in NAMES_A_FILE[key].items()}
    known = all_operators()[key]
    fields = {field.alias for field in known.model_fields.values()}
    return known.model_validate({name: value for name, value in given.items() if name in fields})


def naming_files() -> set[str]:
    def marked(key: str) -> bool:
        return any("ReadsFile" in repr((f.metadata, f.annotation)) for f in all_operators()[key].model_fields.values())

    return {key for key in all_operators() if marked(key)}


@pytest.mark.parametrize("key", sorted(naming_files()))
def test_a_changed_file_of_a_step_changes_its_identity(key: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text("bad")
    step = operator(key, file)
    assert named_files(step)
    before = step.identity()
    assert step.identity() == before
    stat = file.stat()
    file.write_text("dab")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # neither size nor time changes, the content does
    assert step.identity() != before


def test_the_file_of_a_folder_that_a_step_reads_counts_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("1")
    step = operator("tokenCount", tmp_path)
    before = step.identity()
    (tmp_path / "notes.txt").write_text("other")
    assert step.identity() == before
    (tmp_path / "tokenizer.json").write_text("2")
    assert step.identity() != before


def test_all_files_of_a_folder_of_a_model_count(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").write_text("1")
    before = file_identity(str(tmp_path))
    (tmp_path / "a" / "weights").write_text("2")
    changed = file_identity(str(tmp_path))
    (tmp_path / "more").write_text("")
    assert len({repr(found) for found in (before, changed, file_identity(str(tmp_path)))}) == 3


def test_a_file_in_a_store_is_identified_by_its_content() -> None:
    path = "memory://lists/words.txt"
    with fsspec.open(path, "wt") as file:
        file.write("bad")
    before = file_identity(path)
    with fsspec.open(path, "wt") as file:
        file.write("dab")
    assert file_identity(path) != before
    assert file_identity("memory://lists/none.txt") is None


def test_a_store_that_cannot_be_read_is_an_error_of_the_input() -> None:
    with pytest.raises(InputError, match=r"nonsense://a/b: cannot use the scheme nonsense"):
        file_identity("nonsense://a/b")


def test_a_step_whose_word_list_changed_is_run_again_and_uses_the_new_list(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"w": "bad"}, {"w": "ok"}], 1)
    words = tmp_path / "words.txt"
    step = {"flaggedWords": {"column": "w", "languages": [], "file": str(words), "max": 0}}
    found = []
    for word in ("bad", "ok", "ok"):
        words.write_text(word)
        sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
        report = run(make_job(tmp_path / "in", tmp_path / "out", [step], sink=sink))
        assert report.progress.rows_in == report.progress.rows_out + 1
        found.append([row["w"] for row in read_manifest(tmp_path / "out")])
    assert found == [["ok"], ["bad"], ["bad"]]


def identity_after(step: Any, file: Path, text: str) -> Any:
    file.write_text(text)
    importlib.invalidate_caches()
    return step.identity()


@pytest.mark.parametrize(
    "importing",
    [
        "import helper_of_steps",
        "from helper_of_steps import X",
        "def f(row):\n    import helper_of_steps\n",
        "import importlib\nhelper = importlib.import_module('helper_of_steps')",
        "import between_of_steps",
    ],
)
@pytest.mark.parametrize("kind", ["function", "operator"])
def test_a_changed_module_that_user_code_imports_changes_the_identity(
    importing: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("helper_of_steps", "between_of_steps", "steps_of_user"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "between_of_steps.py").write_text("from helper_of_steps import *")
    (tmp_path / "helper_of_steps.py").write_text("X = 1")
    code = "\ndef f(row): return row\nfrom datajob.operators.base import Map\nclass Own(Map):\n    path: str = ''\n"
    (tmp_path / "steps_of_user.py").write_text(importing + code)
    step = Map(function="steps_of_user:f") if kind == "function" else Custom(operator="steps_of_user:Own").resolved()
    before = step.identity()
    assert identity_after(step, tmp_path / "helper_of_steps.py", "X = 2") != before
    assert identity_after(step, tmp_path / "helper_of_steps.py", "X = 1") == before
    (tmp_path / "unrelated_of_steps.py").write_text("X = 1")
    assert step.identity() == before


def test_a_relative_import_of_a_package_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "package_of_user" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "package_of_user" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text("from ..shared import X\nfrom . import near\ndef f(row): return row")
    (package / "near.py").write_text("")
    (tmp_path / "package_of_user" / "shared.py").write_text("X = 1")
    step = Map(function="package_of_user.inner.steps:f")
    before = step.identity()
    assert identity_after(step, package / "near.py", "Y = 1") != before
    assert identity_after(step, package / "near.py", "") == before
    assert identity_after(step, tmp_path / "package_of_user" / "shared.py", "X = 2") != before


def test_a_file_named_in_the_arguments_of_a_users_code_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.txt").write_text("a")
    step = Map(function="json:dumps", params={"lists": [str(tmp_path / "words.txt")], "no_file": "x\0" * 9000})
    before = step.identity()
    assert identity_after(step, tmp_path / "words.txt", "b") != before


def test_the_marks_of_parameters_that_name_files_are_found_in_nested_parameters() -> None:
    marked = {mark for key in naming_files() for _, mark in named_files(operator(key, "x"))}
    assert marked == {ReadsFile(), ReadsFile(within="tokenizer.json")}


@pytest.mark.s3
def test_word_lists_are_read_from_s3_and_identified_there(bucket: str, tmp_path: Path) -> None:
    path = f"{bucket}/lists/words.txt"
    filesystem, inner = resolve(path)
    found, copies = [], []
    for word in ("bad", "dab"):
        with filesystem.open_output_stream(inner) as file:
            file.write(word.encode())
        found.append((operator("flaggedWords", path).identity(), words_from(path)))
        copies.append(Path(local_copy(path)).read_text())
    assert [words for _, words in found] == [("bad",), ("dab",)] and copies == ["bad", "dab"]
    assert found[0][0] != found[1][0]
    assert file_identity(f"{bucket}/lists", within="words.txt") == file_identity(path)
    assert file_identity(f"{bucket}/lists") == {"/words.txt": file_identity(path)}
    assert file_identity(f"{bucket}/none.txt") is None


def test_a_large_file_is_identified_by_its_size_and_modification_time(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    with file.open("wb") as out:
        out.truncate(LOCAL_CONTENT_BYTES + 1)
    assert file_identity(str(file)) == [LOCAL_CONTENT_BYTES + 1, file.stat().st_mtime_ns]


def test_a_folder_that_links_to_itself_is_identified(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [*file_identity(str(tmp_path))] == ["file"]


def test_a_word_list_in_another_encoding_is_refused_and_a_byte_order_mark_belongs_to_no_word(tmp_path: Path) -> None:
    (tmp_path / "gb.txt").write_bytes("坏词".encode("gb18030"))
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbfbad\r\n# note\r\n\r\nworse")
    assert words_from(str(tmp_path / "bom.txt")) == ("bad", "worse")
    with pytest.raises(InputError, match=r"`.*gb.txt` is not valid UTF-8"):
        words_from(str(tmp_path / "gb.txt"))
