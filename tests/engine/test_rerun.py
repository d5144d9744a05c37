"""A run into the sink of a completed run: intermediate rows are deleted, so stages before a global step run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datajob.cli.reporting import read_report
from datajob.errors import RowsFailed
from tests.support.local_jobs import make_job, read_manifest, run, write_parts


@pytest.mark.parametrize(
    "step", [{"exactDedup": {}}, {"minhashDedup": {}}, {"limit": {"count": 7}}, {"sort": {"by": ["id"]}}], ids=str
)
@pytest.mark.parametrize("more", [[], [{"filter": {"where": "id > 3"}}]])
def test_a_step_can_be_added_after_a_global_one(step: dict[str, Any], more: list[dict[str, Any]], tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": i, "text": f"text number {i % 7}"} for i in range(20)], 5)
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    run(make_job(tmp_path / "in", tmp_path / "out", [step], sink=sink), shard_bytes=1)
    before = read_manifest(tmp_path / "out")
    run(make_job(tmp_path / "in", tmp_path / "out", [step, *more], sink=sink), shard_bytes=1)
    assert before
    assert read_manifest(tmp_path / "out") == [row for row in before if not more or row["id"] > 3]


def test_a_fresh_run_repeats_all_shards_once(tmp_path: Path) -> None:
    """`spec.restart` on a cluster: the retries of a fresh run reuse what its first attempt committed."""
    write_parts(tmp_path / "in", [{"id": i} for i in range(20)], 5)
    job = make_job(tmp_path / "in", tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}})
    first = run(job, shard_bytes=1, run_id="1")
    assert run(job, shard_bytes=1, run_id="2").shards_reused == first.progress.shards_done == 5
    fresh = run(job, shard_bytes=1, run_id="3", fresh=True)
    assert fresh.shards_reused == 0
    assert run(job, shard_bytes=1, run_id="3", fresh=True) == fresh  # complete: nothing is done


def test_a_retry_of_a_fresh_run_reuses_its_shards(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": i} for i in range(20)], 5)
    job = make_job(tmp_path / "in", tmp_path / "out", [{"map": {"function": "tests.support.engine_functions:refuse_thirteen"}}])
    for reused in (0, 3):
        with pytest.raises(RowsFailed):
            run(job, shard_bytes=1, run_id="1", fresh=True)
        assert read_report(str(tmp_path / "out")).shards_reused == reused


def test_changed_parameters_of_a_source_repeat_its_shards(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": i, "text": f"text {i}"} for i in range(20)], 2)
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    for columns in (["id"], ["text", "id"]):
        source = {"parquet": {"paths": [str(tmp_path / "in")], "columns": columns}}
        report = run(make_job(tmp_path / "in", tmp_path / "out", sources=[source], sink=sink))
        assert report.shards_reused == 0
        assert [list(row) for row in read_manifest(tmp_path / "out")[:1]] == [columns]
