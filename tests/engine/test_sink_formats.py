"""A folder that holds a result in one format, written to in another."""

import json
from pathlib import Path
from typing import Any

import pytest

from datajob.errors import SinkError
from tests.support.local_jobs import make_job, run


def result(tmp_path: Path, sink: dict[str, Any], rows: int = 3) -> list[str]:
    """Run a job; the visible files of its sink."""
    data = tmp_path / "in.jsonl"
    data.write_text("".join(f'{{"id":{i}}}\n' for i in range(rows)))
    run(make_job(data, tmp_path / "out", sources=[{"json": {"paths": [str(data)]}}], sink=sink))
    files = (path for path in (tmp_path / "out").rglob("*") if path.is_file() and "_datajob" not in path.parts)
    return sorted(str(path.relative_to(tmp_path / "out")) for path in files)


FORMATS = ["json", "parquet", "csv", "webdataset"]


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_a_folder_with_a_result_of_any_format_is_refused(tmp_path: Path, first: str, second: str) -> None:
    before = result(tmp_path, {first: {"path": str(tmp_path / "out")}})
    with pytest.raises(SinkError, match="already holds data"):
        result(tmp_path, {second: {"path": str(tmp_path / "out")}})
    manifest = json.loads((tmp_path / "out/_datajob/manifest.json").read_text())
    assert [file["path"] for file in manifest["files"]] == before


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_overwrite_replaces_a_result_of_any_format_and_no_other_file(tmp_path: Path, first: str, second: str) -> None:
    before = result(tmp_path, {first: {"path": str(tmp_path / "out")}})
    (tmp_path / "out" / "README.txt").write_text("mine")
    after = result(tmp_path, {second: {"path": str(tmp_path / "out"), "mode": "overwrite"}}, rows=4)
    assert len(after) == 2 and after[0] == "README.txt"
    assert not set(before) & set(after)


def test_append_in_another_format_is_refused(tmp_path: Path) -> None:
    before = result(tmp_path, {"json": {"path": str(tmp_path / "out")}})
    with pytest.raises(SinkError, match="contains a result in another format"):
        result(tmp_path, {"parquet": {"path": str(tmp_path / "out"), "mode": "append"}})
    assert len(result(tmp_path, {"json": {"path": str(tmp_path / "out"), "mode": "append"}})) == len(before) + 1


def test_a_file_in_the_sink_whose_name_is_not_utf8_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    odd = tmp_path.joinpath("out").as_posix().encode() + b"/caf\xe9.txt"
    with open(odd, "wb") as file:
        file.write(b"x")
    result(tmp_path, {"json": {"path": str(tmp_path / "out"), "mode": "overwrite"}})
    with open(odd, "rb") as file:
        assert file.read() == b"x"
