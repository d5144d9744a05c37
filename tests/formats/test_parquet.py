"""Parquet: what is read is what was written, whatever the files look like."""

import datetime
import decimal
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError, InvalidJob, SinkError
from datajob.formats import parquet
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
def test_row_groups_files_and_fragments_do_not_show(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
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
    monkeypatch.setattr(parquet, "PREBUFFER_BYTES", 1)
    pq.write_table(TABLE, tmp_path / "a.parquet")
    assert read(reader(tmp_path), batch_bytes=10_000).equals(TABLE)


def test_columns_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    wanted = reader(tmp_path, columns=("text", "id"), include_path="from")
    assert wanted.known_columns() == ("text", "id", "from")
    table = read(wanted)
    assert table.column_names == ["text", "id", "from"]
    assert table.select(["text", "id"]).equals(TABLE.select(["text", "id"]))
    assert set(table.column("from").to_pylist()) == {f"{tmp_path}/a.parquet"}
    assert reader(tmp_path).known_columns() is None


def test_a_column_that_is_not_there_gets_a_suggestion(tmp_path: Path) -> None:
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


def test_types_that_no_type_unites_name_both_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(InputError, match=r"Column id is int64 in .*/1\.parquet but string in .*/2\.parquet"):
        read(reader(tmp_path))


def test_an_integer_that_no_double_holds_is_not_rounded(tmp_path: Path) -> None:
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


def test_a_column_of_the_file_wins_over_the_folder(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    (tmp_path / "year=2021").mkdir()
    pq.write_table(pa.table({"year": [1]}), tmp_path / "year=2020" / "a.parquet")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "year=2021" / "a.parquet")
    assert read(reader(tmp_path)).to_pydict() == {"year": [1, 2021], "id": [None, 1]}


def test_a_path_column_may_not_hide_another(tmp_path: Path) -> None:
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
def test_a_cut_file_is_an_error_that_names_it(tmp_path: Path, size: int) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:size])
    with pytest.raises(InputError, match=r"/a\.parquet: cannot be read as Parquet"):
        read(reader(tmp_path))


def test_damage_inside_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", compression="zstd")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[200:2000] = bytes(1800)
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"/a\.parquet: cannot be read as Parquet"):
        read(reader(tmp_path))


def test_of_very_many_files_a_sample_tells_the_columns_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_FOOTERS", 5)
    for i in range(20):
        extra = {"rare": [i]} if i == 7 else {}
        pq.write_table(pa.table({"a": [i], **extra}), tmp_path / f"{i:02}.parquet")
    with pytest.raises(InputError, match=r"07\.parquet: has a column rare that none of the sampled files has"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("rare",))).to_pydict()["rare"] == [7 if i == 7 else None for i in range(20)]


def test_thousands_of_small_files_are_quick(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    data = (tmp_path / "0.parquet").read_bytes()
    for i in range(1, 2000):
        (tmp_path / f"{i}.parquet").write_bytes(data)
    started = time.perf_counter()
    assert reader(tmp_path).schema(reader(tmp_path).files()) == pa.schema([("a", pa.int64())])
    assert time.perf_counter() - started < 20


def test_texts_that_do_not_repeat_have_no_dictionary(tmp_path: Path) -> None:
    write(ParquetWriter(path=str(tmp_path)), TABLE)
    group = pq.ParquetFile(tmp_path / "00000-000.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert not columns["text"].has_dictionary_page and not columns["text"].is_stats_set
    assert columns["lang"].has_dictionary_page and columns["lang"].is_stats_set
    assert columns["id"].is_stats_set


def nested(levels: int, of_structs: bool) -> pa.DataType:
    kind: pa.DataType = pa.int64()
    for _ in range(levels):
        kind = pa.struct([("a", kind)]) if of_structs else pa.list_(kind)
    return kind


@pytest.mark.parametrize(("levels", "of_structs"), [(16, False), (21, False), (300, False), (60, True), (97, True), (99, True)])
def test_a_type_is_refused_before_writing_or_the_file_is_read_by_every_reader(
    tmp_path: Path, levels: int, of_structs: bool
) -> None:
    table = pa.table({"id": [1], "c": pa.array([None], nested(levels, of_structs))})
    try:
        (file,) = write(ParquetWriter(path=str(tmp_path)), table)
    except InvalidJob as error:
        assert "column c has a type that Parquet cannot store" in str(error)
        assert list(tmp_path.iterdir()) == []
        assert levels >= (99 if of_structs else 21)
        return
    assert pq.ParquetFile(tmp_path / file.path).read().equals(table)
    assert duckdb.sql(f"SELECT id, c IS NULL FROM '{tmp_path / file.path}'").fetchall() == [(1, True)]
    assert levels < (99 if of_structs else 21)


@pytest.mark.parametrize(
    "kind", [pa.month_day_nano_interval(), pa.struct([]), pa.dense_union([pa.field("a", pa.int8())]), pa.list_(pa.struct([]))]
)
def test_a_type_that_parquet_lacks_names_its_column(tmp_path: Path, kind: pa.DataType) -> None:
    with pytest.raises(InvalidJob, match=r"column odd has a type that Parquet cannot store .*`cast` or `compute`"):
        ParquetWriter(path=str(tmp_path)).open(str(tmp_path), "0", pa.schema([("id", pa.int64()), ("odd", kind)]))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (pa.list_(pa.string(), 0), "fixed size 0"),
        (pa.struct([("a", pa.list_(pa.list_(pa.int64(), 0)))]), "fixed size 0"),
        (pa.map_(pa.string(), pa.list_(pa.list_(pa.int64(), 0), 2)), "fixed size 0"),
        (pa.struct([("", pa.int64()), ("b", pa.null())]), "without a name"),
        (pa.struct([("a", pa.struct([("", pa.null())]))]), "without a name"),
    ],
    ids=str,
)
def test_a_type_that_a_reader_fails_on_is_refused_before_anything_is_written(
    tmp_path: Path, kind: pa.DataType, why: str
) -> None:
    with pytest.raises(InvalidJob, match=rf"column odd .*{why}.*`cast` or `compute`"):
        ParquetWriter(path=str(tmp_path)).open(str(tmp_path), "0", pa.schema([("id", pa.int64()), ("odd", kind)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ticks", [259_200_005, 86_400_000 * 2**31, -86_400_000 * (2**31 + 1), 2**62])
@pytest.mark.parametrize("nested", [False, True])
def test_a_date64_that_would_become_another_day_is_refused(tmp_path: Path, ticks: int, nested: bool) -> None:
    dates = pa.array([0, None, ticks], pa.int64()).cast(pa.date64())
    column = pa.StructArray.from_arrays([dates], ["d"]) if nested else dates
    with pytest.raises(InvalidJob, match="column c has a date64 that is not a day"):
        write(ParquetWriter(path=str(tmp_path)), pa.table({"c": column}))


@pytest.mark.parametrize("day", [0, 2**31 - 1, -(2**31)])
def test_every_day_of_a_date64_within_the_range_of_parquet_is_preserved(tmp_path: Path, day: int) -> None:
    dates = pa.array([86_400_000 * day, None], pa.int64()).cast(pa.date64())
    write(ParquetWriter(path=str(tmp_path)), pa.table({"c": dates}))
    assert read(reader(tmp_path)).column(0).cast(pa.int32()).to_pylist() == [day, None]


NESTED: list[tuple[Callable[[pa.DataType], pa.DataType], Callable[[Any], list[Any]]]] = [
    (pa.list_, lambda v: [[v, None], [], None]),
    (pa.large_list, lambda v: [[v, None, v], [], None]),
    (lambda kind: pa.list_(kind, 2), lambda v: [[v, None], None, [v, v]]),
    (
        lambda kind: pa.struct([("x", kind), ("y", pa.large_string())]),
        lambda v: [{"x": v, "y": "a"}, None, {"x": None, "y": None}],
    ),
    (lambda kind: pa.map_(pa.large_string(), kind), lambda v: [[("k", v), ("l", None)], [], None]),
]
"""Nested types, with rows that contain a value, nothing and null."""


@pytest.mark.parametrize("leaf", [pa.int64(), pa.string(), pa.binary(4), pa.null()], ids=str)
def test_nested_types_are_read_back_with_the_same_values(tmp_path: Path, leaf: pa.DataType) -> None:
    value = {"int64": 1, "string": "é", "fixed_size_binary[4]": b"abcd", "null": None}[str(leaf)]
    columns: dict[str, pa.Array] = {}
    for depth in (1, 2, 3):
        for number, forms in enumerate(product(NESTED, repeat=depth)):
            kind, made = leaf, [value]
            for wrap, rows in reversed(forms):
                kind, made = wrap(kind), [row for inner in made[:2] for row in rows(inner)]
            columns[f"{depth}-{number}"] = pa.array((made * 12)[:12], kind)
    table = pa.table(columns)
    (file,) = write(ParquetWriter(path=str(tmp_path)), table)
    expected = table.to_pylist()
    assert pq.ParquetFile(tmp_path / file.path).read().to_pylist() == expected
    assert read(reader(tmp_path)).to_pylist() == expected
    with duckdb.connect() as connection:
        assert connection.sql(f"SELECT * FROM '{tmp_path / file.path}'").to_arrow_table().num_rows == 12


@pytest.mark.parametrize(
    "array",
    [
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16)), None], pa.binary(16))),
        pa.array(['{"a":1.10}', None]).cast(pa.json_()),
        pa.array(["x", None]).dictionary_encode(),
        pa.array(["x", None], pa.string_view()),
        pa.array([1.5, None], pa.float16()),
        pa.array([None, 2932897], pa.date32()),
        pa.array([None, 2**62], pa.timestamp("us")),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([decimal.Decimal("1.1"), None], pa.decimal256(70, 2)),
    ],
    ids=lambda array: str(array.type),
)
def test_any_type_is_written_and_read_back_as_it_was(tmp_path: Path, array: pa.Array) -> None:
    table = pa.table({"c": array})
    write(ParquetWriter(path=str(tmp_path)), table)
    back = read(ParquetReader(paths=(str(tmp_path),)))
    assert back.num_rows == 2
    plain = pa.chunked_array([array.dictionary_decode()]) if isinstance(array, pa.DictionaryArray) else table.column(0)
    assert back.column(0).cast(plain.type).equals(plain)
    if isinstance(array.type, pa.JsonType | pa.UuidType):
        assert back.schema.field(0).type == array.type


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("x", pa.int64()), ("x", pa.string())]),
        pa.schema([("a", pa.list_(pa.struct([pa.field("x", pa.int64()), pa.field("x", pa.string())])))]),
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, schema: pa.Schema) -> None:
    pq.write_table(schema.empty_table(), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: two columns or fields have the name 'x'"):
        read(reader(tmp_path))


@pytest.mark.parametrize("keep", [-9, 100, 3, 0])
def test_a_truncated_file_is_called_so(tmp_path: Path, keep: int) -> None:
    pq.write_table(TABLE, tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:keep])
    with pytest.raises(InputError, match=r"x\.parquet: cannot be read as Parquet: it is truncated or not a Parquet file"):
        read(reader(tmp_path))


def test_partition_columns_have_the_types_that_are_given(tmp_path: Path) -> None:
    rows = pa.table({"year": [1999, 10000, None], "day": ["2024-01-02", "007", "x"], "x": [1, 2, 3]})
    write(ParquetWriter(path=str(tmp_path), partition_by=("year", "day")), rows)
    assert sorted(row["year"] or "" for row in read(reader(tmp_path)).to_pylist()) == ["", "10000", "1999"]
    table = read(reader(tmp_path, partition_types={"year": "int64"}))
    assert {(row["year"], row["day"]) for row in table.to_pylist()} == {(1999, "2024-01-02"), (10000, "007"), (None, "x")}
    with pytest.raises(
        InputError, match=r"the value 'x' of the partition day is not int64|value '2024-01-02' of the partition day"
    ):
        read(reader(tmp_path, partition_types={"day": "int64"}))


def test_long_partition_values_in_any_script_fit_or_are_refused(tmp_path: Path) -> None:
    long = "港口因为风暴关闭了三天渡轮在外面等待这是一个足够长的段落提取" * 2
    write(ParquetWriter(path=str(tmp_path), partition_by=("k",)), pa.table({"k": [long, "a/b=c%"], "x": [1, 2]}))
    assert {row["k"] for row in read(reader(tmp_path)).to_pylist()} == {long, "a/b=c%"}
    with pytest.raises(SinkError, match=r"partitionBy: the value .* of k requires a folder name of 302 bytes"):
        write(ParquetWriter(path=str(tmp_path / "out"), partition_by=("k",)), pa.table({"k": ["x" * 300], "x": [1]}))


def test_values_that_cannot_be_the_name_of_a_folder_are_refused(tmp_path: Path) -> None:
    writer = ParquetWriter(path=str(tmp_path), partition_by=("k",))
    with pytest.raises(InvalidJob, match=r"column k is list<.*>, which cannot be the name of a folder"):
        write(writer, pa.table({"k": [["a"]], "x": [1]}))
    with pytest.raises(SinkError, match=r"a value of k \(binary\) is not text .* as in `hex\(k\)`"):
        write(writer, pa.table({"k": [b"\xff"], "x": [1]}))
