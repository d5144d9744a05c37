"""Bytes do not move with their rows: they are written once, and read once by the stage that needs them."""

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.engine.exchange import byte_files
from datajob.engine.exchange.byte_files import ByteFile, all_restored, restored
from datajob.errors import InputError, RowsFailed
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.parquet import ParquetReader
from datajob.media.values import media_type
from datajob.operators.hashing.rows import hash_rows
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.rows import read

VALUES = st.one_of(st.none(), st.binary(max_size=5), st.binary(min_size=257, max_size=300))
STRUCTS = st.one_of(st.none(), st.fixed_dictionaries({"bytes": VALUES, "path": st.sampled_from([None, "a"])}))
LISTS = st.one_of(st.none(), st.lists(VALUES, max_size=2))
COLUMNS = {
    "binary": (pa.binary(), VALUES),
    "large": (pa.large_binary(), VALUES),
    "media": (media_type(), STRUCTS),
    "list": (pa.list_(media_type()), st.one_of(st.none(), st.lists(STRUCTS, max_size=3))),
    "deep": (pa.large_list(pa.list_(pa.binary())), st.one_of(st.none(), st.lists(LISTS, max_size=2))),
    "text": (pa.string(), st.one_of(st.none(), st.text(max_size=3))),
}


@settings(deadline=None)  # the first call compiles kernels
@given(data=st.data(), rows=st.integers(0, 6), cut=st.integers(0, 3))
def test_every_table_has_its_bytes_and_hashes_again(
    tmp_path_factory: pytest.TempPathFactory, data: Any, rows: int, cut: int
) -> None:
    columns = {name: pa.array([data.draw(values) for _ in range(rows)], kind) for name, (kind, values) in COLUMNS.items()}
    table = pa.concat_tables([pa.table(columns).slice(cut), pa.table(columns).slice(0, cut)])
    file = ByteFile(str(tmp_path_factory.mktemp("bytes")), "a/b.bytes")
    stored = file.store(table)
    assert file.store(stored).equals(stored)
    file.close()
    for before, after in zip(hash_rows(table), hash_rows(stored), strict=True):
        assert (before == after).all()
    order = np.random.default_rng(rows).permutation(table.num_rows)
    again = all_restored(stored.take(order))
    again.validate(full=True)
    assert again.schema == table.schema and again.to_pylist() == table.take(order).to_pylist()


def test_rows_are_read_in_pieces_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_files, "PIECE_BYTES", 2000)
    table = pa.table({"b": [b"x" * 700] * 10, "l": [[b"y" * 300]] * 10, "n": range(10)})
    file = ByteFile(str(tmp_path), "f")
    stored = file.store(table, keep=["l"])
    file.close()
    assert stored.column("l").type == table.column("l").type
    assert [piece.num_rows for piece in restored(stored)] == [2, 2, 2, 2, 2]
    assert pa.concat_tables(restored(stored)).to_pylist() == table.to_pylist()
    assert [piece.num_rows for piece in restored(stored, ["n"])] == [10]
    assert all_restored(stored, ["n"]).equals(stored)


class Traffic:
    """Bytes of the files that a run writes, by kind, and bytes that are read of files of bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = Counter[str]()
        self.read = 0
        commit, whole = AtomicFile.commit, byte_files._whole

        def committed(file: AtomicFile) -> None:
            commit(file)
            self.written[file.path.rpartition(".")[2]] += file.size

        def counted(array: Any, read: Any) -> Any:
            def one(path: str, offset: int, length: int) -> bytes:
                self.read += length
                return read(path, offset, length)

            return whole(array, one)

        monkeypatch.setattr(AtomicFile, "commit", committed)
        monkeypatch.setattr(byte_files, "_whole", counted)


ROWS, SIZE = 60, 20_000


def image(i: int) -> bytes:
    return random.Random(i % 50).randbytes(SIZE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """60 images in 3 files; the last 10 repeat the first 10."""
    (tmp_path / "in").mkdir()
    for part in range(3):
        rows = range(part * 20, part * 20 + 20)
        images = pa.array([{"bytes": image(i), "path": f"{i}.jpg"} for i in rows], media_type())
        pq.write_table(
            pa.table({"id": rows, "image": images, "jpg": [image(i) for i in rows]}), tmp_path / "in" / f"{part}.parquet"
        )
    return tmp_path / "in"


def right(source: Path) -> dict[str, Any]:
    return {"right": {"parquet": {"paths": [str(source)], "columns": ["id", "image"]}}, "by": ["id"]}


ALL = 2 * SIZE * ROWS
"""Bytes of both columns."""
SAMPLES = 3
"""Rejected rows that the report shows."""
FIRST = {"image": {"function": "first", "column": "image"}, "n": {"function": "count"}}
CASES: dict[str, tuple[Any, int, int]] = {
    "sort": ({"sort": {"by": ["id"], "descending": ["id"]}}, ALL, ALL),
    "shuffle": ({"shuffle": {"seed": 3}}, ALL, ALL),
    "join": ({"join": right}, ALL + SIZE * ROWS, ALL + SIZE * ROWS),
    "groupBy": ({"groupBy": {"by": ["jpg"], "aggregates": FIRST}}, SIZE * ROWS, SIZE * 50),
    "distinct": ({"distinct": {}}, ALL, ALL),
    "limit": ({"limit": {"count": 7}}, 2 * SIZE * 20, 2 * SIZE * (7 + SAMPLES)),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes_are_written_once_and_read_when_they_are_needed(
    case: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, written, read_bytes = CASES[case]
    step = {name: value(source) if callable(value) else value for name, value in step.items()}
    traffic = Traffic(monkeypatch)
    run(make_job(source, tmp_path / "out", [step]), shard_bytes=1 << 20)
    rows = read_manifest(tmp_path / "out")
    expected = {"limit": 7, "distinct of bytes": 50, "groupBy": 50}.get(case, 60)
    assert len(rows) == expected
    for row in rows:
        i = int(row["image"]["path"].partition(".")[0])
        assert row["image"] == {"bytes": image(i), "path": f"{i}.jpg"}
        assert row.get("jpg", image(i)) == image(i)
        assert row.get("image_right", row["image"]) == row["image"]
    assert traffic.written["bytes"] == written
    assert traffic.read == read_bytes
    moved = SIZE * ROWS if case == "groupBy" else 0  # the column that it groups by
    assert traffic.written["arrow"] < moved * 1.2 + 100_000
    assert not list((tmp_path / "out").rglob("*.bytes"))


def test_bytes_pass_several_exchanges_unread(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = Traffic(monkeypatch)
    steps = [{"shuffle": {"seed": 3}}, {"distinct": {"columns": ["id"]}}, {"sort": {"by": ["id"]}}, {"limit": {"count": 10}}]
    run(make_job(source, tmp_path / "out", steps), shard_bytes=1 << 20)
    rows = read_manifest(tmp_path / "out")
    assert [row["id"] for row in rows] == list(range(10))
    assert [row["jpg"] for row in rows] == [image(i) for i in range(10)]
    assert (traffic.written["bytes"], traffic.read) == (ALL, 2 * SIZE * (10 + SAMPLES))


def same(row: dict[str, Any]) -> dict[str, Any]:
    """A row of user code, which gets all bytes."""
    assert row["jpg"] == row["image"]["bytes"]
    return row


EXAMPLES = 6 * SAMPLES * 2 * SIZE
"""Bytes of rejected rows that the report can show: of 3 shards with at most 2 slices each, in both columns."""
BETWEEN: dict[str, tuple[list[dict[str, Any]], int]] = {
    "SQL and columns": (
        [
            {"compute": {"columns": {"half": "id // 2"}}},
            {"rename": {"columns": {"jpg": "raw"}}},
            {"rename": {"columns": {"raw": "jpg"}}},
            {"drop": {"columns": ["half"]}},
            {"sample": {"fraction": 1.0}},
        ],
        0,
    ),
    "a step on images": ([{"fileSize": {}}], SIZE * ROWS),
    "rejected before a step on images": ([{"filter": {"where": "id < 10"}}, {"fileSize": {}}], SIZE * 10),
    "user code": ([{"map": {"function": f"{__name__}:same"}}], ALL),
    "exploded rows": (
        [{"compute": {"columns": {"n": "[1, 2]"}}}, {"explode": {"column": "n"}}, {"drop": {"columns": ["n"]}}],
        0,
    ),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_steps_between_exchanges_read_only_the_bytes_that_they_need_and_write_none(
    case: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, needed = BETWEEN[case]
    traffic = Traffic(monkeypatch)
    steps = [{"shuffle": {"seed": 3}}, *steps, {"sort": {"by": ["id"]}}]
    run(make_job(source, tmp_path / "out", steps), shard_bytes=1 << 20)
    rows = read_manifest(tmp_path / "out")
    ids = {"rejected before a step on images": [*range(10)], "exploded rows": [i // 2 for i in range(120)]}.get(
        case, [*range(60)]
    )
    assert [row["id"] for row in rows] == ids
    assert [row["jpg"] for row in rows] == [row["image"]["bytes"] for row in rows] == [image(i) for i in ids]
    assert traffic.written["bytes"] == ALL
    least = needed + 2 * SIZE * len(ids)
    assert least <= traffic.read <= least + (EXAMPLES if case.startswith("rejected") else 0)
    assert traffic.written["arrow"] < 200_000


def test_bytes_that_a_step_changes_are_written_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = Traffic(monkeypatch)
    change = {"compute": {"columns": {"jpg": "encode('new ' || repeat(id::varchar, 300))"}}}
    run(make_job(source, tmp_path / "out", [{"shuffle": {}}, change, {"sort": {"by": ["id"]}}]), shard_bytes=1 << 20)
    rows = read_manifest(tmp_path / "out")
    assert [row["jpg"] for row in rows] == [b"new " + str(i).encode() * 300 for i in range(60)]
    assert [row["image"]["bytes"] for row in rows] == [image(i) for i in range(60)]
    assert traffic.written["bytes"] == ALL + sum(map(len, (row["jpg"] for row in rows)))


def test_the_order_of_a_shuffle_does_not_depend_on_shards(source: Path, tmp_path: Path) -> None:
    orders = []
    for shard_bytes in (1 << 20, 1 << 30):
        out = tmp_path / f"out-{shard_bytes}"
        run(make_job(source, out, [{"shuffle": {"seed": 3}}]), shard_bytes=shard_bytes)
        orders.append([row["id"] for row in read_manifest(out)])
    assert orders[0] == orders[1] != sorted(orders[0])


def test_rejected_rows_have_their_bytes(source: Path, tmp_path: Path) -> None:
    job = make_job(source, tmp_path / "out", [{"distinct": {"columns": ["jpg"]}}], rejects={"path": str(tmp_path / "rejects")})
    run(job, shard_bytes=1 << 20)
    rejected = read(ParquetReader(paths=(str(tmp_path / "rejects"),))).to_pylist()
    assert [row["image"]["bytes"] for row in rejected] == [row["jpg"] for row in rejected] == [image(i) for i in range(10)]


def fail_once(row: dict[str, Any]) -> dict[str, Any]:
    """Fails until a file exists."""
    assert Path(row["flag"]).exists(), "not yet"
    return {**row, "digest": hashlib.sha256(row["jpg"]).hexdigest()}


def flagged(source: Path, tmp_path: Path) -> Any:
    steps = [
        {"sort": {"by": ["id"]}},
        {"compute": {"columns": {"flag": f"'{tmp_path}/flag'"}}},
        {"map": {"function": f"{__name__}:fail_once"}},
        {"drop": {"columns": ["jpg", "image", "flag"]}},
    ]
    return make_job(source, tmp_path / "out", steps)


def test_a_resumed_run_reads_the_bytes_of_the_first_attempt(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RowsFailed):
        run(flagged(source, tmp_path), shard_bytes=1 << 20)
    (tmp_path / "flag").touch()
    traffic = Traffic(monkeypatch)
    report = run(flagged(source, tmp_path), shard_bytes=1 << 20)
    assert report.shards_reused > 0 and traffic.written["bytes"] == 0
    assert [row["digest"] for row in read_manifest(tmp_path / "out")] == [
        hashlib.sha256(image(i)).hexdigest() for i in range(60)
    ]


def test_missing_bytes_end_the_run_with_a_reason(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RowsFailed):
        run(flagged(source, tmp_path), shard_bytes=1 << 20)
    (tmp_path / "flag").touch()
    files = list((tmp_path / "out" / "_datajob").rglob("*.bytes"))
    files[0].unlink()
    files[1].write_bytes(b"short")
    with pytest.raises(InputError, match=r"\.bytes"):
        run(flagged(source, tmp_path), shard_bytes=1 << 20)


@pytest.mark.slow
def test_a_partition_can_have_more_bytes_than_an_arrow_array(tmp_path: Path) -> None:
    """45 sparse files of 50 MB: 2.2 GiB."""
    (tmp_path / "in").mkdir()
    for i in range(45):
        with (tmp_path / "in" / f"{i:02}").open("wb") as file:
            file.write(b"%02d" % i)
            file.truncate(50 << 20)
    sources = [{"binaryFiles": {"paths": [str(tmp_path / "in")]}}]
    head = {"compute": {"columns": {"head": "bytes[1:2]"}}}
    steps = [{"sort": {"by": ["path"], "descending": ["path"]}}, head, {"drop": {"columns": ["bytes"]}}]
    run(make_job(tmp_path / "in", tmp_path / "out", steps, sources=sources), shard_bytes=256 << 20)
    assert [row["head"] for row in read_manifest(tmp_path / "out")] == [b"%02d" % i for i in reversed(range(45))]
