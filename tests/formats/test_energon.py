"""The index of Megatron Energon is the one that `energon prepare` 7.4.1 writes for the same tar files."""

import json
import re
import sqlite3
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import datajob
from datajob.errors import SinkError
from datajob.formats.webdataset import WebdatasetWriter
from tests.support.local_jobs import make_job, run, write_parts

MEMBER = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
ROWS = [{"part": "val" if i % 5 == 0 else "train", "txt": f"caption {i}" * (i % 3), "bin": bytes(i * 40)} for i in range(40)]


def write(folder: Path, rows: list[dict[str, Any]], parts: int = 3, out: str = "out", **sink: Any) -> Path:
    """The folder of the result of a job with these rows."""
    write_parts(folder / "in", rows, parts)
    run(make_job(folder / "in", folder / out, sink={"webdataset": {"path": str(folder / out), **sink}}), shard_bytes=600)
    return folder / out


def prepared(tar: Path) -> tuple[list[int], list[tuple[str, int, int]], list[tuple[int, str, int, int]]]:
    """The offsets, samples and members of a tar file, as `energon prepare` reads them from its headers."""
    offsets: list[int] = []
    keys: list[str] = []
    parts: list[tuple[int, str, int, int]] = []
    with tarfile.open(tar, "r:") as file:
        for member in file:
            found = MEMBER.match(member.name)
            assert found and member.isreg()
            if not keys or keys[-1] != found[1]:
                keys.append(found[1])
                offsets.append(member.offset)
            parts.append((len(keys) - 1, found[2], member.offset_data, member.size))
        offsets.append(file.offset)
    samples = [(key, start, end - start) for key, start, end in zip(keys, offsets, offsets[1:], strict=False)]
    return offsets, samples, parts


def check(folder: Path) -> dict[str, Any]:
    """Compare all of the index with the tar files. Returns the splits."""
    meta = folder / ".nv-meta"
    counts = json.loads((meta / ".info.json").read_text())["shard_counts"]
    database = sqlite3.connect(meta / "index.sqlite")
    for number, tar in enumerate(counts):
        offsets, samples, parts = prepared(folder / tar)
        assert (folder / tar).with_suffix(".tar.idx").read_bytes() == struct.pack(f"<{len(offsets)}Q", *offsets)
        assert counts[tar] == len(samples)
        columns = "sample_key, byte_offset, byte_size FROM samples WHERE tar_file_id = ? ORDER BY sample_index"
        assert database.execute(f"SELECT {columns}", (number,)).fetchall() == samples
        columns = "sample_index, part_name, content_byte_offset, content_byte_size FROM sample_parts WHERE tar_file_id = ?"
        assert database.execute(f"SELECT {columns} ORDER BY 1, 3", (number,)).fetchall() == parts
    assert database.execute("SELECT count(*) FROM samples").fetchone() == (sum(counts.values()),)
    splits: dict[str, Any] = yaml.safe_load((meta / "split.yaml").read_text())["split_parts"]
    assert sorted(tar for tars in splits.values() for tar in tars) == sorted(counts)
    assert len((meta / "index.uuid").read_text()) == 36
    return splits


def test_the_index_describes_all_samples_and_members(tmp_path: Path) -> None:
    splits = check(write(tmp_path, ROWS, samples=4, energon={}))
    assert list(splits) == ["train", "val", "test"] and len(splits["train"]) >= 10 and splits["val"] == []
    dataset = yaml.safe_load((tmp_path / "out/.nv-meta/dataset.yaml").read_text())
    assert dataset == {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}


def test_splits_are_the_folders_of_a_partition(tmp_path: Path) -> None:
    energon = {"split": "part", "sampleType": "CaptioningSample", "fields": {"image": "bin", "caption": "txt"}}
    splits = check(write(tmp_path, ROWS, samples=4, partitionBy=["part"], energon=energon))
    assert splits["val"] and all(tar.startswith("part=val/") for tar in splits["val"])
    assert splits["train"] and all(tar.startswith("part=train/") for tar in splits["train"])
    dataset = yaml.safe_load((tmp_path / "out/.nv-meta/dataset.yaml").read_text())
    assert dataset["sample_type"]["__class__"] == "CaptioningSample" and dataset["field_map"]["image"] == "bin"


@pytest.mark.parametrize("key", ["a" * 120, "ü" * 90, "folder/" + "b" * 180])
def test_members_with_long_names_have_several_headers(key: str, tmp_path: Path) -> None:
    check(write(tmp_path, [{"__key__": f"{key}{i}", "txt": "x", "bin": b"1" * 513} for i in range(5)], energon={}))


def test_keys_that_repeat_in_another_file_are_refused_before_the_result_is_replaced(tmp_path: Path) -> None:
    rows = [{"__key__": f"k{i}", "txt": "x"} for i in range(6)]
    write(tmp_path, rows, samples=2, energon={})
    manifest = (tmp_path / "out/_datajob/manifest.json").read_bytes()
    with pytest.raises(SinkError, match=r"the key.* is in part-.*\.tar and in another file, but Energon needs unique keys"):
        write(tmp_path, [*rows, {"__key__": "k0", "txt": "again"}], samples=2, energon={}, mode="overwrite")
    assert (tmp_path / "out/_datajob/manifest.json").read_bytes() == manifest


def test_appended_files_are_part_of_the_index(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:10], samples=4, energon={})
    write(tmp_path, ROWS[10:25], samples=4, energon={}, mode="append")
    check(tmp_path / "out")
    assert sum(json.loads((tmp_path / "out/.nv-meta/.info.json").read_text())["shard_counts"].values()) == 25
    write(tmp_path, ROWS[:3], out="plain")
    with pytest.raises(SinkError, match=r"was written without `energon`\. Write the result with `mode: overwrite`"):
        write(tmp_path, ROWS[:3], out="plain", energon={}, mode="append")


def test_a_result_without_the_index_removes_that_of_the_result_it_replaces(tmp_path: Path) -> None:
    write(tmp_path, ROWS, energon={})
    folder = write(tmp_path, ROWS[:5], mode="overwrite")
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["_datajob"]
    assert not [path for path in folder.iterdir() if path.suffix in (".idx", ".parquet")]


def test_the_index_of_no_rows_has_no_files(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 1)
    sink = {"webdataset": {"path": str(tmp_path / "out"), "energon": {}}}
    run(make_job(tmp_path / "in", tmp_path / "out", [{"filter": {"where": "false"}}], sink=sink))
    assert check(tmp_path / "out")["train"] == []


def test_a_result_with_the_index_is_read_back(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    job = make_job(tmp_path / "in", tmp_path / "out", sink={"webdataset": {"path": str(tmp_path / "out"), "energon": {}}})
    result = datajob.run(job, executor="local")
    assert result.to_arrow().num_rows == len(ROWS)
    again = make_job(tmp_path / "out", tmp_path / "again", sources=[{"webdataset": {"paths": [str(tmp_path / "out")]}}])
    assert run(again).progress.rows_out == len(ROWS)


@pytest.mark.parametrize(
    "energon",
    [
        {"sampleType": "CaptioningSample"},
        {"fields": {"a": "b"}},
        {"split": "part"},
        {"sampleType": "a.b", "fields": {"a": "b"}},
    ],
)
def test_invalid_parameters_are_refused(energon: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebdatasetWriter.model_validate({"path": "out", "energon": energon})
