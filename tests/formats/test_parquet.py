"""Parquet files: row groups, several files, damage, and reading back what was written."""

import datetime
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.formats import _parquet_read, parquet
from datajob.formats.parquet import ParquetReader, ParquetWriter
from tests.support.rows import Bad, read, write

TABLE = pa.table(
    {
        "id": range(1000),
        "text": [f"text {i} " * (i % 50) for i in range(1000)],
        "lang": ["de", "en", None, "zh"] * 250,
        "tags": [["a", None], [], None, ["b"]] * 250,
        "meta": [{"x": 1, "y": {"z": 0.5}}, None] * 500,
        "when": pa.array([datetime.datetime(2024, 1, 1, 1, 2, 3, 4)] * 1000, pa.timestamp("us", "UTC")),
        "raw": [b"\x00\xff", b""] * 500,
    }
)


def reader(path: Path, **parameters: object) -> ParquetReader:
    return ParquetReader(paths=(str(path),), **parameters)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "none"])
def test_what_was_written_is_read(tmp_path: Path, compression: str) -> None:
    written = write(ParquetWriter(path=str(tmp_path), compression=compression), TABLE.slice(0, 300), TABLE.slice(300))
    assert [(file.path, file.rows) for file in written] == [("00000-000.parquet", 1000)]
    assert written[0].size == (tmp_path / "00000-000.parquet").stat().st_size
    assert read(reader(tmp_path)).equals(TABLE)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_rows_do_not_depend_on_row_groups_files_and_fragments(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("p")
    cuts = sorted(data.draw(st.lists(st.integers(0, 1000), max_size=4)))
    parts = [TABLE.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, 1000], strict=True)]
    size = st.integers(1 << 16, 1 << 18)
    write(ParquetWriter(path=str(folder), row_group_bytes=data.draw(size), file_bytes=data.draw(size)), *parts)
    target, batch = data.draw(st.integers(1, 1 << 16)), data.draw(st.integers(1, 1 << 18))
    assert read(reader(folder), target=target, batch_bytes=batch).equals(TABLE)


def test_fragments_are_runs_of_row_groups_of_about_the_target(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=10, compression="none")
    (file,) = reader(tmp_path).files()
    assert [(f.start, f.end) for f in reader(tmp_path).fragments(file, file.size)] == [(0, -1)]
    cut = reader(tmp_path).fragments(file, file.size // 10)
    assert 5 <= len(cut) <= 11
    assert [f.start for f in cut[1:]] == [f.end for f in cut[:-1]]
    assert (cut[0].start, cut[-1].end) == (0, 100)
    assert all(f.weight > 0 for f in cut)


def test_a_large_row_group_is_read_in_slices(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=1000)
    (file,) = reader(tmp_path).files()
    schema = reader(tmp_path).schema([file])
    tables = list(reader(tmp_path).read(reader(tmp_path).fragments(file, 1 << 20)[0], schema, 32 << 10, Bad()))
    assert len(tables) > 5
    assert max(table.num_rows for table in tables) < 200
    assert pa.concat_tables(tables).equals(TABLE)


def test_a_huge_row_group_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_read, "PREBUFFER_BYTES", 1)
    pq.write_table(TABLE, tmp_path / "a.parquet")
    assert read(reader(tmp_path), batch_bytes=10_000).equals(TABLE)


def test_columns_are_read_in_the_requested_order(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    wanted = reader(tmp_path, columns=("text", "id"), include_path="from")
    assert wanted.known_columns() == ("text", "id", "from")
    table = read(wanted)
    assert table.column_names == ["text", "id", "from"]
    assert table.select(["text", "id"]).equals(TABLE.select(["text", "id"]))
    assert set(table.column("from").to_pylist()) == {f"{tmp_path}/a.parquet"}
    assert reader(tmp_path).known_columns() is None


def test_a_missing_column_gets_a_suggestion(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column texts; did you mean text\?"):
        read(reader(tmp_path, columns=("texts",)))


def test_files_with_different_columns_are_united(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"c": [True], "a": pa.array([1 << 40], pa.int64())}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"a": [0.5], "b": pa.array([None], pa.null())}), tmp_path / "3.parquet")
    table = read(reader(tmp_path))
    assert table.schema == pa.schema([("a", pa.float64()), ("b", pa.string()), ("c", pa.bool_())])
    assert table.to_pydict() == {"a": [1, 2, 1 << 40, 0.5], "b": ["x", "y", None, None], "c": [None, None, True, None]}


def test_the_error_about_incompatible_types_names_both_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"Column id is int64 in .*/1\.parquet but string in .*/2\.parquet"):
        read(reader(tmp_path))


def test_an_integer_that_no_double_represents_is_not_rounded(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [2**53 + 1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [0.5]}), tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"1\.parquet: column a \(int64\) does not fit double"):
        read(reader(tmp_path))


def test_encodings_of_columns_become_plain(tmp_path: Path) -> None:
    encoded = pa.table(
        {
            "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
            "large": pa.array(["a", None, "c"], pa.large_string()),
            "lists": pa.array([["a"], None, []], pa.large_list(pa.large_string())),
        }
    )
    pq.write_table(encoded, tmp_path / "a.parquet")
    table = read(reader(tmp_path))
    assert table.schema.types == [pa.string(), pa.string(), pa.list_(pa.string())]
    assert table.to_pydict() == encoded.to_pydict()


def test_hive_partitions_become_columns(tmp_path: Path) -> None:
    write(ParquetWriter(path=str(tmp_path), partition_by=("lang",)), TABLE)
    table = read(reader(tmp_path, include_path="path"))
    assert table.column_names == ["id", "text", "tags", "meta", "when", "raw", "lang", "path"]
    assert table.sort_by("id").select(TABLE.column_names).equals(TABLE)
    assert read(reader(tmp_path, columns=("lang", "id"))).column_names == ["lang", "id"]


def test_a_column_of_the_file_takes_precedence_over_the_folder(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    (tmp_path / "year=2021").mkdir()
    pq.write_table(pa.table({"year": [1]}), tmp_path / "year=2020" / "a.parquet")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "year=2021" / "a.parquet")
    assert read(reader(tmp_path)).to_pydict() == {"year": [1, 2021], "id": [None, 1]}


def test_a_path_column_must_not_hide_another(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="includePath: the files already have a column text"):
        read(reader(tmp_path, include_path="text"))


def test_files_without_rows_are_read(tmp_path: Path) -> None:
    pq.write_table(TABLE.slice(0, 0), tmp_path / "a.parquet")
    assert read(reader(tmp_path)).equals(TABLE.slice(0, 0))
    (file,) = write(ParquetWriter(path=str(tmp_path / "out")), TABLE.slice(0, 0))
    assert file.rows == 0
    assert pq.read_table(tmp_path / "out" / file.path).equals(TABLE.slice(0, 0))


@pytest.mark.parametrize("size", [0, 3, 100, -1, -100])
def test_the_error_about_a_truncated_file_names_it(tmp_path: Path, size: int) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:size])
    with pytest.raises(InputError, match=r"/a\.parquet: cannot be read as Parquet"):
        read(reader(tmp_path))


def test_the_error_about_damage_inside_a_file_names_it(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", compression="zstd")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[200:2000] = bytes(1800)
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"/a\.parquet: cannot be read as Parquet"):
        read(reader(tmp_path))


def test_the_columns_of_many_files_come_from_a_sample_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_FOOTERS", 5)
    for i in range(20):
        extra = {"rare": [i]} if i == 7 else {}
        pq.write_table(pa.table({"a": [i], **extra}), tmp_path / f"{i:02}.parquet")
    with pytest.raises(InputError, match=r"07\.parquet: has a column rare that none of the sampled files has"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("rare",))).to_pydict()["rare"] == [7 if i == 7 else None for i in range(20)]


def test_thousands_of_small_files_are_read_quickly(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    data = (tmp_path / "0.parquet").read_bytes()
    for i in range(1, 2000):
        (tmp_path / f"{i}.parquet").write_bytes(data)
    started = time.process_time()
    assert reader(tmp_path).schema(reader(tmp_path).files()) == pa.schema([("a", pa.int64())])
    assert time.process_time() - started < 20


def test_texts_that_do_not_repeat_have_no_dictionary(tmp_path: Path) -> None:
    write(ParquetWriter(path=str(tmp_path)), TABLE)
    group = pq.ParquetFile(tmp_path / "00000-000.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert not columns["text"].has_dictionary_page and not columns["text"].is_stats_set
    assert columns["lang"].has_dictionary_page and columns["lang"].is_stats_set
    assert columns["id"].is_stats_set


@pytest.mark.parametrize("keep", [-9, 100, 3, 0])
def test_a_truncated_file_is_reported_as_truncated(tmp_path: Path, keep: int) -> None:
    pq.write_table(TABLE, tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:keep])
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read as Parquet: it is truncated or not a Parquet file"):
        read(reader(tmp_path))
