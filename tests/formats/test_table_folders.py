"""A folder that is a table is not read as plain files: deleted rows would come back."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InputError
from datajob.formats.listing import list_inputs
from tests.support.s3 import S3Server

TABLES = {
    "Delta": ("_delta_log/00000000000000000000.json", "day=1/k=2/part-0.parquet"),
    "Delta without partitions": ("_delta_log/00000000000000000010.checkpoint.parquet", "part-0.parquet"),
    "Iceberg": ("metadata/00001-2f.metadata.json", "data/day=1/part-0.parquet"),
    "Hudi": (".hoodie/hoodie.properties", "day=1/part-0.parquet"),
    "Lance": ("_versions/1.manifest", "data/part-0.parquet"),
}


def make(folder: Path, table: str) -> Path:
    """A table; returns its only file of data."""
    mark, data = (folder / name for name in TABLES[table])
    for file in (mark, data):
        file.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text("{}")
    pq.write_table(pa.table({"a": [1]}), data)
    return data


@pytest.mark.parametrize("table", TABLES)
def test_a_table_and_its_parts_are_refused(table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "lake" / "t"
    data = make(root, table)
    kind = table.split()[0]
    monkeypatch.chdir(data.parent)
    for path in (
        root,
        root.parent,
        f"{root}/",
        f"{root}/**",
        data,
        data.parent,
        f"{data.parent}/*.parquet",
        f"file://{data}",
        ".",
    ):
        with pytest.raises(InputError, match=rf"/lake/t: is a {kind} table\. Its files also contain rows that were deleted"):
            list_inputs([str(path)], [".parquet"])


def test_other_folders_with_such_names_are_read(tmp_path: Path) -> None:
    for name in ("metadata/a.parquet", "_delta_log_backup/x", "a/data/x.parquet", "a/metadata/notes.json", "b/.hoodie/.keep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert len(list_inputs([str(tmp_path / "metadata"), str(tmp_path / "a")], [".parquet"])) == 2


def test_files_next_to_a_table_are_read(tmp_path: Path) -> None:
    make(tmp_path / "table", "Delta")
    (tmp_path / "plain.parquet").touch()
    (tmp_path / "table2").mkdir()
    (tmp_path / "table2" / "other.parquet").touch()
    assert len(list_inputs([str(tmp_path / "plain.parquet"), str(tmp_path / "table2")], [".parquet"])) == 2


@pytest.mark.s3
def test_a_table_on_s3_is_refused(bucket: str, s3_server: S3Server) -> None:
    make(s3_server.folder / bucket.removeprefix("s3://") / "t", "Delta")
    for path in ("t", "t/day=1", "t/day=1/k=2/part-0.parquet", "t/*/*/*.parquet"):
        with pytest.raises(InputError, match="t: is a Delta table"):
            list_inputs([f"{bucket}/{path}"], [".parquet"])
