"""Complete runs in this process: rows, files and report."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datajob.api.datajob import DataJob
from datajob.errors import InputError, InvalidJob, SinkError
from tests.support.local_jobs import make_job, read_glob, read_manifest, run, write_parts

ROWS = [{"id": i, "text": "word " * (i % 40), "group": i % 7} for i in range(1000)]
LONG = [{"compute": {"columns": {"text_length": "length(text)"}}}, {"filter": {"where": "text_length > 50"}}]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 10)
    return tmp_path / "in"


def test_rows_are_computed_filtered_and_in_order(source: Path, tmp_path: Path) -> None:
    report = run(make_job(source, tmp_path / "out", LONG))
    expected = [{**r, "text_length": len(r["text"])} for r in ROWS if len(r["text"]) > 50]
    assert read_manifest(tmp_path / "out") == expected
    assert read_glob(tmp_path / "out") == expected
    assert report.progress.shards_total > 3
    assert [(s.name, s.rows_in, s.rows_out) for s in report.steps] == [
        ("read", 1000, 1000),
        ("compute", 1000, 1000),
        ("filter", 1000, len(expected)),
        ("write", len(expected), len(expected)),
    ]
    assert report.steps[2].rejected == {"where": 1000 - len(expected)}


def test_rejected_rows_are_stored_with_step_and_reason(source: Path, tmp_path: Path) -> None:
    run(make_job(source, tmp_path / "out", LONG, rejects={"path": str(tmp_path / "rejects")}))
    kept = pq.read_table(tmp_path / "rejects" / "step=filter").to_pylist()
    assert {(r["_step"], r["_reason"]) for r in kept} == {("filter", "where")}
    assert sorted(r["id"] for r in kept) == [r["id"] for r in ROWS if len(r["text"]) <= 50]


def test_columns_named_like_those_of_the_rejects_are_stored_too(tmp_path: Path) -> None:
    rows = [{"id": 1, "_reason": "mine", "_reason_1": "too", "_step": 7, "_error": "e"}]
    write_parts(tmp_path / "in", rows, 1)
    run(
        make_job(
            tmp_path / "in", tmp_path / "out", [{"filter": {"where": "id > 5"}}], rejects={"path": str(tmp_path / "rejects")}
        )
    )
    assert pq.read_table(tmp_path / "rejects" / "step=filter").to_pylist() == [
        {"_step": "filter", "_reason": "where", "id": 1, "_reason_2": "mine", "_reason_1": "too", "_step_1": 7, "_error": "e"}
    ]


@pytest.mark.parametrize("after", [[], [{"limit": {"count": 2}}], [{"shuffle": {}}]])
def test_rows_whose_last_column_is_dropped_are_not_lost_silently(source: Path, tmp_path: Path, after: list[Any]) -> None:
    with pytest.raises(InvalidJob, match="No columns are left"):
        run(make_job(source, tmp_path / "out", [{"drop": {"columns": list(ROWS[0])}}, *after]))


def test_rows_that_could_not_be_read_with_the_earlier_ones_are_not_appended(tmp_path: Path) -> None:
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "append"}}
    for i, rows in enumerate([[{"id": 1}], [{"id": 2.5, "x": "a"}], [{"id": "three"}], [{"id": 4}]]):
        write_parts(tmp_path / str(i), rows, 1)
        job = make_job(tmp_path / str(i), tmp_path / "out", [], sink=sink)
        if i == 2:
            with pytest.raises(InvalidJob, match="Column `id` is double in some files of the result and string in others"):
                run(job)
        else:
            run(job)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [1, 2.5, 4]


def test_rejects_of_an_earlier_run_are_deleted_and_those_of_other_jobs_stay(source: Path, tmp_path: Path) -> None:
    def job(out: str, limit: int) -> DataJob:
        return make_job(
            source,
            tmp_path / out,
            [{"filter": {"where": f"id < {limit}"}}],
            sink={"parquet": {"path": str(tmp_path / out), "mode": "overwrite"}},
            rejects={"path": str(tmp_path / "rejects")},
        )

    run(job("a", 900))
    run(job("b", 990))
    run(job("a", 950))
    kept = pq.read_table(tmp_path / "rejects" / "step=filter").to_pylist()
    assert sorted(r["id"] for r in kept) == sorted([*range(950, 1000), *range(990, 1000)])


def test_a_second_run_into_the_same_sink_is_refused(source: Path, tmp_path: Path) -> None:
    run(make_job(source, tmp_path / "out"))
    with pytest.raises(SinkError, match=r"already holds data.*overwrite"):
        run(make_job(source, tmp_path / "out"))
    assert read_manifest(tmp_path / "out") == ROWS


def test_append_adds_the_rows_again(source: Path, tmp_path: Path) -> None:
    job = make_job(source, tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "append"}})
    run(job)
    run(job)
    assert read_manifest(tmp_path / "out") == ROWS + ROWS
    assert len(read_glob(tmp_path / "out")) == 2 * len(ROWS)


def test_overwrite_replaces_a_foreign_result_when_it_is_complete(source: Path, tmp_path: Path) -> None:
    write_parts(tmp_path / "out", [{"old": 1}], 1)
    run(make_job(source, tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}))
    assert read_glob(tmp_path / "out") == ROWS


def test_overwrite_repeats_only_what_changed(source: Path, tmp_path: Path) -> None:
    job = make_job(source, tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}})
    first = run(job)
    assert run(job).shards_reused == first.progress.shards_total
    write_parts(source, [{"id": 1000, "text": "new", "group": 0}], 1)  # replaces in-0000.parquet, the first of ten
    again = run(job)
    assert 0 < again.shards_reused < first.progress.shards_total
    expected = [{"id": 1000, "text": "new", "group": 0}, *ROWS[100:]]
    assert read_manifest(tmp_path / "out") == read_glob(tmp_path / "out") == expected


def test_a_changed_step_repeats_all_shards(source: Path, tmp_path: Path) -> None:
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    run(make_job(source, tmp_path / "out", LONG, sink=sink))
    report = run(make_job(source, tmp_path / "out", LONG[:1], sink=sink))
    assert report.shards_reused == 0
    assert len(read_glob(tmp_path / "out")) == len(ROWS)


def test_a_completed_run_with_the_same_id_does_not_run_again(source: Path, tmp_path: Path) -> None:
    job = make_job(source, tmp_path / "out")
    first = run(job, run_id="uid-1")
    assert run(job, run_id="uid-1") == first
    with pytest.raises(SinkError):
        run(job, run_id="uid-2")


def test_a_missing_column_is_named_before_anything_runs(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"tex.*text"):
        run(make_job(source, tmp_path / "out", [{"select": {"columns": ["id", "tex"]}}]))
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run(make_job(tmp_path / "nowhere", tmp_path / "out"))


def test_a_job_that_rejects_every_row_completes_with_an_empty_result(source: Path, tmp_path: Path) -> None:
    report = run(make_job(source, tmp_path / "out", [{"filter": {"where": "id < 0"}}]))
    assert read_manifest(tmp_path / "out") == []
    assert report.progress.rows_rejected == 1000
