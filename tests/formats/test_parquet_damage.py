"""Parquet files with values that their types do not allow, and with damaged pages."""

import decimal
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InputError
from datajob.formats.parquet import ParquetReader, ParquetWriter
from tests.support.local_jobs import make_job, run
from tests.support.rows import Bad, read, write


def _texts() -> pa.Array:
    ends = pa.array([0, 2, 4, 4], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 3, [None, ends, pa.py_buffer(b"ab\xff\xfe")])


def _decimals() -> pa.Array:
    wide = pa.array([decimal.Decimal(1), decimal.Decimal(12345), decimal.Decimal(2)], pa.decimal128(38, 0))
    return pa.Array.from_buffers(pa.decimal128(3, 0), 3, wide.buffers())


LEAVES = {
    "text": (_texts(), "not valid UTF-8"),
    "large text": (_texts().cast(pa.large_binary()).view(pa.large_string()), "not valid UTF-8"),
    "seconds": (pa.array([0, 86400, 86399], pa.int32()).view(pa.time32("s")).cast(pa.time32("ms"), safe=False), "86400000 is"),
    "milliseconds": (pa.array([0, -1, 1], pa.int32()).view(pa.time32("ms")), "-1 is not within the acceptable range"),
    "microseconds": (pa.array([0, 86_400_000_000, 1], pa.int64()).view(pa.time64("us")), "86400000000 is"),
    "nanoseconds": (pa.array([0, 1 << 60, 1], pa.int64()).view(pa.time64("ns")), f"{1 << 60} is"),
    "decimal": (_decimals(), "12345 does not fit in precision"),
}


def _struct(array: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([array], names=["x"])


def _list(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), array)


def _map(array: pa.Array) -> pa.Array:
    return pa.MapArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), pa.array(["a", "b", "c"]), array)


@pytest.mark.parametrize("wrap", [lambda array: array, _struct, _list, _map, lambda array: _list(_struct(array))])
@pytest.mark.parametrize("leaf", LEAVES)
def test_a_value_that_its_type_does_not_allow_fails_its_row_only(tmp_path: Path, leaf: str, wrap: Any) -> None:
    array, reason = LEAVES[leaf]
    pq.write_table(pa.table({"id": [1, 2, 3], "v": wrap(array)}), tmp_path / "a.parquet")
    bad = Bad()
    assert read(ParquetReader(paths=(str(tmp_path),)), bad).column("id").to_pylist() == [1, 3]
    ((record, why),) = bad.records
    assert record.startswith('{"id": 2, "v": ')
    assert why.startswith(f"{tmp_path}/a.parquet: row 1: column v: ")
    assert reason in why


@pytest.mark.parametrize("wrap", [lambda array: array, _struct, _list])
def test_a_dictionary_with_invalid_text_makes_the_file_unreadable(tmp_path: Path, wrap: Any) -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), _texts())
    pq.write_table(pa.table({"id": [1, 2, 3], "v": wrap(array)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet: Invalid UTF8"):
        read(ParquetReader(paths=(str(tmp_path),)))


def test_the_number_of_a_bad_row_counts_the_row_groups_before_it(tmp_path: Path) -> None:
    good = pa.table({"v": ["x" * 200] * 100})
    broken = pa.table({"v": pa.array([b"x"] * 50 + [b"\xff"] + [b"x"] * 49, pa.binary()).view(pa.string())})
    with pq.ParquetWriter(tmp_path / "a.parquet", good.schema, use_dictionary=False) as writer:
        for table in (good, good, broken, good):
            writer.write_table(table)
    for target in (100, 1 << 20):
        bad = Bad()
        assert read(ParquetReader(paths=(str(tmp_path),)), bad, target).num_rows == 399
        assert [reason.split(": ")[1] for reason in bad.reasons] == ["row 250"]


@pytest.mark.parametrize("sink", ["parquet", "json", "csv"])
def test_a_job_counts_rows_with_invalid_text_as_failed(tmp_path: Path, sink: str) -> None:
    pq.write_table(pa.table({"id": [1, 2, 3], "v": _texts()}), tmp_path / "a.parquet")
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad")}
    job = make_job(tmp_path, tmp_path / "out", sources=[{"parquet": {"paths": [str(tmp_path / "a.parquet")]}}], errors=errors,
                   sink={sink: {"path": str(tmp_path / "out")}})  # fmt: skip
    progress = run(job).progress
    assert (progress.rows_in, progress.rows_out, progress.rows_failed) == (3, 2, 1)
    (file,) = (tmp_path / "bad").rglob("*.parquet")
    assert pq.ParquetFile(file).read().column("record").to_pylist() == ['{"id": 2, "v": "\\\\xff\\\\xfe"}']


@pytest.mark.parametrize("wrap", [lambda kind: kind, pa.list_, lambda kind: pa.struct([("x", kind)])])
def test_lists_of_size_zero_end_no_process(tmp_path: Path, wrap: Any) -> None:
    kind = wrap(pa.list_(pa.int64(), 0))
    pq.write_table(pa.table({"id": [1], "v": pa.nulls(1, kind)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"column v is .* cannot read lists of the fixed size 0"):
        read(ParquetReader(paths=(str(tmp_path),)))
    assert read(ParquetReader(paths=(str(tmp_path),), columns=("id",))).to_pylist() == [{"id": 1}]


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
def test_no_changed_byte_of_a_page_goes_unnoticed(tmp_path: Path, compression: str) -> None:
    table = pa.table({"id": range(1000), "text": [f"text {i} {i * i}" for i in range(1000)], "x": [i / 7 for i in range(1000)]})
    write(ParquetWriter(path=str(tmp_path), compression=compression), table)
    (file,) = tmp_path.glob("*.parquet")
    data, rng = file.read_bytes(), random.Random(1)
    pages = pq.read_metadata(file).row_group(0)
    end = sum(pages.column(i).total_compressed_size for i in range(pages.num_columns))
    for _ in range(100):
        at = rng.randrange(4, end)
        file.write_bytes(data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :])
        try:
            found = read(ParquetReader(paths=(str(file),)))
        except InputError as error:
            assert str(file) in str(error)
        else:
            assert found.equals(table), at  # statistics and reserved bits of a page header
