"""ORC files: types, stripes, and what cannot be read."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc
import pytest

from datajob.errors import InputError
from datajob.formats.orc import OrcReader
from tests.support.arrow_values import NOON, columns, neutral
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.rows import read

CHANCE = random.Random(18)
TABLE = pa.table({"i": range(5000), "t": [CHANCE.randbytes(i % 50).hex() for i in range(5000)]})
OTHER = {"dense union", "sparse union", "date64[ms]", "timestamp[s]", "timestamp[ms]", "timestamp[us]"}
"""Types of which ORC or pyarrow cannot represent some values."""


def reader(path: Path, **parameters: Any) -> OrcReader:
    return OrcReader(paths=(str(path),), **parameters)


def test_values_of_every_type_that_orc_has(tmp_path: Path) -> None:
    read_back = set()
    for number, (name, array) in enumerate(columns().items()):
        path = tmp_path / f"{number}.orc"
        try:
            pyarrow.orc.write_table(pa.table({"c": array}), str(path))
        except pa.ArrowException:  # ORC does not have this type
            continue
        if name not in OTHER:
            assert neutral(read(reader(path)).column("c").to_pylist()) == neutral(array.to_pylist()), name
            read_back.add(name)
    assert len(read_back) > 20


@pytest.mark.parametrize("compression", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_shards_have_each_row_once(tmp_path: Path, compression: str) -> None:
    pyarrow.orc.write_table(TABLE, str(tmp_path / "a.orc"), stripe_size=20_000, batch_size=100, compression=compression)
    source = reader(tmp_path)
    (file,) = source.files()
    assert source.count(source.fragments(file, 1 << 30)[0]) == 5000
    for target in (1, 2000, 1 << 30):
        parts = source.fragments(file, target)
        assert (len(parts) > 1) == (target < 10_000)
        assert read(source, target=target, batch_bytes=1000).equals(TABLE)


def test_columns_and_partitions(tmp_path: Path) -> None:
    (tmp_path / "k=a b").mkdir()
    pyarrow.orc.write_table(TABLE, str(tmp_path / "k=a b" / "x.orc"))
    assert read(reader(tmp_path, columns=("k", "i"))).slice(0, 1).to_pylist() == [{"k": "a b", "i": 0}]
    assert read(reader(tmp_path, columns=("k",))).num_rows == 5000


def test_times_that_pyarrow_cannot_represent_and_unions_are_refused(tmp_path: Path) -> None:
    far = pa.table({"t": pa.array([NOON.replace(year=9999, day=1)], pa.timestamp("us")), "i": [1]})
    pyarrow.orc.write_table(far, str(tmp_path / "a.orc"))
    with pytest.raises(InputError, match=r"a\.orc: cannot be read as ORC: .*out of range"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("i",))).to_pylist() == [{"i": 1}]
    pyarrow.orc.write_table(pa.table({"c": columns()["dense union"], "i": [1, 2]}), str(tmp_path / "a.orc"))
    with pytest.raises(InputError, match=r"column c is a union .* Exclude it with `columns`"):
        read(reader(tmp_path))
    assert read(reader(tmp_path, columns=("i",))).to_pylist() == [{"i": 1}, {"i": 2}]


@pytest.mark.parametrize("size", [0, 2, 100, -1, -200])
def test_damaged_files_are_errors(tmp_path: Path, size: int) -> None:
    pyarrow.orc.write_table(TABLE, str(tmp_path / "a.orc"), compression="zlib")
    path = tmp_path / "a.orc"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"a\.orc: cannot be read as ORC"):
        read(reader(tmp_path))


def test_files_with_other_columns_are_one_table(tmp_path: Path) -> None:
    pyarrow.orc.write_table(pa.table({"a": pa.array([1], pa.int32())}), str(tmp_path / "a.orc"))
    pyarrow.orc.write_table(pa.table({"a": [2**40], "b": ["x"]}), str(tmp_path / "b.orc"))
    assert read(reader(tmp_path)).to_pylist() == [{"a": 1, "b": None}, {"a": 2**40, "b": "x"}]


def test_a_job_reads_orc(tmp_path: Path) -> None:
    pyarrow.orc.write_table(TABLE, str(tmp_path / "a.orc"), stripe_size=20_000, batch_size=100)
    source = {"orc": {"paths": [str(tmp_path / "a.orc")]}}
    run(make_job(tmp_path, tmp_path / "out", [{"filter": {"where": "i % 2 = 0"}}], sources=[source]))
    assert [row["i"] for row in read_manifest(tmp_path / "out")] == list(range(0, 5000, 2))
