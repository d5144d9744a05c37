"""The shard writer that all formats share."""

import gc
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InvalidJob, SinkError
from datajob.formats import _shards
from datajob.formats.csv import CsvWriter
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.webdataset import WebdatasetWriter
from tests.support.rows import read, write


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        (pa.array(["de"]), "k=de"),
        (pa.array(["a/b c=é%"]), "k=a%2Fb c%3Dé%25"),
        (pa.array([None], pa.string()), "k=__HIVE_DEFAULT_PARTITION__"),
        (pa.array([""]), "k=__HIVE_DEFAULT_PARTITION__"),
        (pa.array([".."]), "k=.."),
        (pa.array([7]), "k=7"),
        (pa.array([True]), "k=true"),
        (pa.array(["x"]).dictionary_encode(), "k=x"),
    ],
)
def test_values_become_folders_as_in_hive(tmp_path: Path, value: pa.Array, folder: str) -> None:
    (file,) = write(JsonWriter(path=str(tmp_path), partition_by=("k",)), pa.table({"k": value, "a": [1]}))
    assert file.path == f"{folder}/00000-000.jsonl"
    assert (tmp_path / file.path).read_text() == '{"a":1}\n'


def test_several_columns_become_nested_folders(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "y", "x"], "n": [1, 2, 3], "b": ["1", "1", "2"]})
    files = write(JsonWriter(path=str(tmp_path), partition_by=("b", "a")), table)
    assert [file.path for file in files] == [f"b={b}/a={a}/00000-000.jsonl" for b, a in ("1x", "1y", "2x")]


@settings(deadline=None, max_examples=12)
@given(keys=st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=1, max_size=60), cut=st.integers(0, 60))
def test_rows_of_a_partition_stay_in_order_and_few_files_are_open(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str | None], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("shard")
    table = pa.table({"k": pa.array(keys, pa.string()), "n": range(len(keys))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_shards, "MAX_OPEN", 2)
        files = write(JsonWriter(path=str(folder), partition_by=("k",)), table.slice(0, cut), table.slice(cut))
    rows = read(JsonReader(paths=(str(folder),), schema={"k": "string"}, columns=("n", "k"))).to_pylist()
    for key in set(keys):
        assert [row["n"] for row in rows if row["k"] == key] == [i for i, k in enumerate(keys) if k == key]
    assert sum(file.rows for file in files) == len(keys)
    assert files_below(folder) == [file.path for file in files]


def test_what_is_held_back_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shards, "MAX_HELD", 10_000)
    table = pa.table({"k": [str(i % 10) for i in range(1000)], "text": ["x" * 100] * 1000})
    shard = ParquetWriter(path=str(tmp_path), partition_by=("k",)).open(str(tmp_path), "0", table.schema)
    for start in range(0, 1000, 100):
        shard.write(table.slice(start, 100))
    assert sum(file.encoder.held for file in shard._open.values()) <= 10_000
    assert sum(file.rows for file in shard.close()) == 1000
    assert read(ParquetReader(paths=(str(tmp_path),))).num_rows == 1000


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("writer", "parameters"),
    [
        (ParquetWriter, {"row_group_bytes": 1 << 16}),
        (JsonWriter, {}),
        (JsonWriter, {"compression": "gzip"}),
        (JsonWriter, {"compression": "zstd"}),
        (CsvWriter, {}),
        (WebdatasetWriter, {}),
    ],
)
def test_no_file_has_its_name_before_the_close_and_an_abort_leaves_none(
    tmp_path: Path, writer: type, parameters: dict[str, object]
) -> None:
    table = pa.table({"a": [f"{i} " * 50 for i in range(2000)]})
    for finish in ("abort", "close"):
        shard = writer(path=str(tmp_path), file_bytes=1 << 16, **parameters).open(str(tmp_path), "0", table.schema)
        shard.write(table)
        assert [name for name in files_below(tmp_path) if not name.startswith("_datajob/tmp/")] == []
        files = getattr(shard, finish)()
        del shard
        gc.collect()
        assert files_below(tmp_path) == [file.path for file in files or []]


@pytest.mark.parametrize(
    ("columns", "message"),
    [(("langs",), "no column langs; did you mean lang"), (("lang", "a"), "contains all columns")],
)
def test_invalid_partitions_are_an_error(tmp_path: Path, columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        write(JsonWriter(path=str(tmp_path), partition_by=columns), pa.table({"lang": ["x"], "a": [1]}))


def test_a_sink_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"file/00000-000\.jsonl: cannot write it"):
        write(JsonWriter(path=str(tmp_path / "file")), pa.table({"a": [1]}))
