"""What a run from Python returns: its rows by every format, its files, and how it shows itself."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import datajob
from datajob import sinks, sources, steps
from tests.python.jobs import tidy
from tests.support.models.photos import jpeg
from tests.support.s3 import bucket, s3_server

__all__ = ["bucket", "s3_server"]

KEPT = ["<b>one</b>", "two roses", "three roses", "four"]
WRITERS: dict[str, Callable[[str], Any]] = {
    "parquet": lambda path: sinks.Parquet(path=path),
    "json": lambda path: sinks.Json(path=path),
    "compressed json": lambda path: sinks.Json(path=path, compression="zstd"),
    "csv": lambda path: sinks.Csv(path=path),
    "csv with another delimiter": lambda path: sinks.Csv(path=path, delimiter=";", compression="gzip"),
    "webdataset": lambda path: sinks.Webdataset(path=path, members={"txt": "text"}),
}


def texts(table: pa.Table) -> list[str]:
    return table.column("txt" if "txt" in table.column_names else "text").to_pylist()


@pytest.mark.parametrize("writer", WRITERS.values(), ids=list(WRITERS))
def test_the_rows_of_every_format_are_read_in_order(writer: Callable[[str], Any], tmp_path: Path) -> None:
    result = datajob.run(tidy(tmp_path, writer(str(tmp_path / "out"))), executor="local")
    assert texts(result.to_arrow()) == KEPT
    assert isinstance(result.to_pandas(), pd.DataFrame) and len(result.to_pandas()) == 4
    frame = result.to_polars()
    assert isinstance(frame, pl.DataFrame) and frame.height == 4
    assert result.scan_polars().collect().equals(frame)
    assert pa.table(result) == result.to_arrow()
    assert pl.DataFrame(result).equals(frame) and len(pd.DataFrame.from_arrow(result)) == 4
    (file,) = result.files
    assert file.rows == 4 and file.bytes == Path(file.path).stat().st_size


@pytest.mark.parametrize("writer", WRITERS.values(), ids=list(WRITERS))
def test_an_empty_result_is_a_table_without_rows(writer: Callable[[str], Any], tmp_path: Path) -> None:
    job = tidy(tmp_path, writer(str(tmp_path / "out")))
    none = datajob.DataJob.new("none", sources=[job.spec.sources[0]], steps=[steps.Filter(where="false")], sink=job.spec.sink)
    result = datajob.run(none, executor="local")
    assert [file.rows for file in result.files] == [0] and result.to_arrow().num_rows == 0
    assert result.to_pandas().empty and result.to_polars().is_empty()
    assert result.scan_polars().collect().is_empty() and pa.table(result).num_rows == 0


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_lazy_frame_reads_what_a_query_needs(partitioned: bool, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for part in range(4):
        rows = {"n": range(part * 10, part * 10 + 10), "key": ["a b" if i % 2 else "ö" for i in range(10)]}
        pq.write_table(pa.table(rows), tmp_path / "in" / f"{part}.parquet")
    sink = sinks.Parquet(path=str(tmp_path / "out"), partition_by=["key"] if partitioned else None)
    job = datajob.DataJob.new("job", sources=[sources.Parquet(paths=[str(tmp_path / "in")])], sink=sink)
    result = datajob.run(job, executor="local")
    whole, lazy = result.to_polars(), result.scan_polars()
    assert len(result.files) == 1 + partitioned and lazy.collect_schema() == whole.schema
    assert lazy.collect().equals(whole)
    assert lazy.filter(pl.col("key") == "ö").select("n").collect().equals(whole.filter(pl.col("key") == "ö").select("n"))
    assert lazy.head(13).collect().equals(whole.head(13))
    assert lazy.select(pl.len()).collect().item() == 40
    (result_in_duckdb,) = duckdb.sql("SELECT sum(n) FROM result").fetchall()
    assert result_in_duckdb == (780,)


def test_a_stream_reads_files_while_it_is_consumed(tmp_path: Path) -> None:
    job = tidy(tmp_path, sinks.Parquet(path=str(tmp_path / "out")))
    result = datajob.run(job, executor="local")
    batches = pa.RecordBatchReader.from_stream(result)
    (file,) = result.files
    Path(file.path).unlink()
    with pytest.raises(datajob.InputError):
        result.to_arrow()
    with pytest.raises(Exception, match="part-0"):
        batches.read_all()


def test_images_come_back_with_their_rows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    images = [jpeg(1, (8, 8)), None, jpeg(2, (16, 8))]
    pq.write_table(pa.table({"bytes": images, "caption": ["a", "b", "c"]}), tmp_path / "in" / "rows.parquet")
    job = datajob.DataJob.new(
        "photos", sources=[sources.Parquet(paths=[str(tmp_path / "in")])], sink=sinks.Images(path=str(tmp_path / "out"))
    )
    table = datajob.run(job, executor="local").to_arrow()
    assert table.column("caption").to_pylist() == ["a", "b", "c"]
    assert table.column("bytes").to_pylist() == images


def test_audio_comes_back_with_its_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"audio": [b"fLaC1", None], "text": ["a", "b"]}), tmp_path / "rows.parquet")
    source, sink = sources.Parquet(paths=[str(tmp_path / "rows.parquet")]), sinks.Audio(path=str(tmp_path / "out"))
    table = datajob.run(datajob.DataJob.new("speech", sources=[source], sink=sink), executor="local").to_arrow()
    assert table.select(["audio", "text"]).to_pylist() == [{"audio": b"fLaC1", "text": "a"}, {"audio": None, "text": "b"}]


def test_partitions_come_back_as_columns(tmp_path: Path) -> None:
    sink = sinks.Parquet(path=str(tmp_path / "kept=yes" / "out"), partition_by=["id"])
    table = datajob.run(tidy(tmp_path, sink), executor="local").to_arrow()
    assert sorted(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))[0] == ("0", "<b>one</b>")
    assert table.column_names == ["text", "id"]


def test_other_files_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    result = datajob.run(tidy(tmp_path), executor="local")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "out" / "another.parquet")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert texts(result.to_arrow()) == KEPT


def test_appended_rows_come_after_those_that_were_there(tmp_path: Path) -> None:
    sink = sinks.Parquet(path=str(tmp_path / "out"), mode="append")
    (tmp_path / "out").mkdir()
    pq.write_table(pa.table({"id": [9], "text": ["older"]}), tmp_path / "out" / "older.parquet")
    datajob.run(tidy(tmp_path, sink), executor="local")
    result = datajob.run(tidy(tmp_path, sink), executor="local")
    assert texts(result.to_arrow()) == ["older", *KEPT, *KEPT]
    assert [file.rows for file in result.files] == [None, 4, 4]


def test_many_files_are_read_in_the_order_of_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for part in range(20):
        pq.write_table(pa.table({"id": range(part * 100, part * 100 + 100)}), folder / f"{part:02}.parquet")
    job = datajob.DataJob.new(
        "many",
        sources=[sources.Parquet(paths=[str(folder)])],
        steps=[steps.Sort(by=["id"])],
        sink=sinks.Json(path=str(tmp_path / "out"), file_bytes=1 << 16),
    )
    result = datajob.run(job, executor="local")
    assert result.to_arrow().column("id").to_pylist() == list(range(2000))


@pytest.mark.s3
def test_a_result_on_s3_is_read_from_there(bucket: str, tmp_path: Path) -> None:
    result = datajob.run(tidy(tmp_path, sinks.Parquet(path=f"{bucket}/out")), executor="local")
    assert texts(result.to_arrow()) == KEPT
    assert result.files[0].path.startswith(f"{bucket}/out/part-")


@pytest.mark.ray
def test_a_run_on_ray_and_a_ray_dataset_have_the_rows(tmp_path: Path) -> None:
    import ray

    try:
        result = datajob.run(tidy(tmp_path), executor="ray")
        assert sorted(row["text"] for row in result.to_ray().take_all()) == sorted(KEPT)
        none = datajob.run(tidy(tmp_path, sinks.Json(path=str(tmp_path / "none"))), executor="local")
        assert none.to_ray().count() == 4
    finally:
        ray.shutdown()


def test_a_result_shows_the_funnel(tmp_path: Path) -> None:
    result = datajob.run(tidy(tmp_path), executor="local")
    text, page = repr(result), result._repr_html_()
    assert text.startswith("tidy: complete. 6 rows read, 4 written (66.7%);") and "\x1b" not in text
    assert ["filter", "6", "5", "1", "0"] in [line.split()[:5] for line in text.splitlines()]
    for shown in ("<b>filter</b>", "where (16.7%)", "<b>exactDedup</b>", "duplicate (20.0%)", "Rejected", "Failed"):
        assert shown in page
    assert len(page) < 10_000 and "http" not in page and "<script" not in page


def test_names_are_escaped_in_html(tmp_path: Path) -> None:
    result = datajob.run(tidy(tmp_path), executor="local")
    (step, *others) = result.report.steps
    odd = step.model_copy(update={"name": "<script>", "rejected": {"<img src=x>": 1}})
    report = result.report.model_copy(update={"steps": (odd, *others), "name": "<b>"})
    page = datajob.Result(report, result.files, result._writer)._repr_html_()
    assert "<script" not in page and "<img" not in page and "&lt;b&gt;: complete" in page


def test_a_run_works_within_an_event_loop_and_in_a_thread(tmp_path: Path) -> None:
    async def within() -> datajob.Result:
        return datajob.run(tidy(tmp_path / "loop"), executor="local")

    assert texts(asyncio.run(within()).to_arrow()) == KEPT
    found: list[datajob.Result] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(datajob.run(tidy(tmp_path / f"thread-{i}"), executor="local")))
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [texts(result.to_arrow()) for result in found] == [KEPT, KEPT]
