"""Inputs and results without rows."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.local_jobs import make_job, run, write_parts

STEPS: list[dict[str, Any]] = [
    {"filter": {"where": "length(text) > 3"}},
    {"compute": {"columns": {"n": "length(text)"}}},
    {"exactDedup": {"columns": ["text"]}},
    {"sort": {"by": ["text"]}},
    {"groupBy": {"by": ["text"], "aggregates": {"n": {"function": "count"}}}},
    {"limit": {"count": 5}},
    {"select": {"columns": ["text"]}},
]
SOURCES = {
    "json": ("x.jsonl", b"", {}),
    "csv": ("x.csv", b"", {}),
    "csv with a header": ("x.csv", b"id,text\n", {}),
    "csv with names": ("x.csv", b"", {"names": ["id", "text"]}),
    "json with columns": ("x.jsonl", b"\n", {"columns": ["text"]}),
    "json with types": ("x.jsonl", b"", {"schema": {"text": "string"}}),
    "text": ("x.txt", b"", {}),
}


@pytest.mark.parametrize("step", STEPS, ids=[next(iter(step)) for step in STEPS])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("sink", ["parquet", "json", "csv"])
def test_an_empty_input_is_a_complete_job_whose_result_the_next_job_reads(
    tmp_path: Path, source: str, step: dict[str, Any], sink: str
) -> None:
    name, data, parameters = SOURCES[source]
    (tmp_path / name).write_bytes(data)
    first = {source.split()[0]: {"paths": [str(tmp_path / name)], **parameters}}
    report = run(make_job(tmp_path, tmp_path / "a", [step], sources=[first], sink={sink: {"path": str(tmp_path / "a")}}))
    assert (report.state, report.progress.rows_in, report.progress.rows_out) == ("complete", 0, 0)
    again = make_job(
        tmp_path,
        tmp_path / "b",
        [step],
        sources=[{sink: {"paths": [str(tmp_path / "a")]}}],
        sink={sink: {"path": str(tmp_path / "b")}},
    )
    assert run(again).state == "complete"


def test_a_result_without_rows_has_the_types_of_the_columns(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": 1, "text": "abc", "x": 1.5}], 1)
    steps = [
        {"filter": {"where": "id > 5"}},
        {"compute": {"columns": {"n": "length(text)", "day": "DATE '2024-01-01'"}}},
        {"groupBy": {"by": ["text", "day"], "aggregates": {"n": {"function": "max", "column": "n"}}}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps))
    manifest = json.loads((tmp_path / "out/_datajob/manifest.json").read_text())
    (file,) = manifest["files"]
    table = pq.read_table(tmp_path / "out" / file["path"])
    assert table.num_rows == report.progress.rows_out == 0
    assert table.schema.field("text").type == pa.string()
    assert table.schema.field("day").type == pa.date32()
    assert table.schema.field("n").type == pa.int64()
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path / 'out' / file['path']}'").fetchall() == [(0,)]


def test_partition_columns_are_in_a_result_without_rows(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": 1, "lang": "de"}], 1)
    sink = {"parquet": {"path": str(tmp_path / "out"), "partitionBy": ["lang"]}}
    run(make_job(tmp_path / "in", tmp_path / "out", [{"filter": {"where": "id > 5"}}], sink=sink))
    again = make_job(tmp_path / "out", tmp_path / "b", [{"filter": {"where": "lang = 'de'"}}])
    assert run(again).state == "complete"


def test_a_file_without_row_groups_is_read(tmp_path: Path) -> None:
    schema = pa.schema({"id": pa.int64(), "text": pa.string()})
    with pq.ParquetWriter(tmp_path / "x.parquet", schema):
        pass
    assert run(make_job(tmp_path / "x.parquet", tmp_path / "out", [{"filter": {"where": "id > 5"}}])).state == "complete"
    (file,) = (tmp_path / "out").glob("*.parquet")
    assert pq.read_schema(file).equals(schema)


def test_a_run_that_writes_an_empty_result_again_keeps_one_file(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": 1}], 1)
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    for where in ("id > 5", "id > 5", "id < 5"):
        run(make_job(tmp_path / "in", tmp_path / "out", [{"filter": {"where": where}}], sink=sink))
        assert len(list((tmp_path / "out").glob("*.parquet"))) == 1
    assert pq.read_table(next((tmp_path / "out").glob("*.parquet"))).num_rows == 1
