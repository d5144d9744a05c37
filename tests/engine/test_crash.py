"""Drivers and workers are killed with SIGKILL at random times; the result must be that of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datajob.engine.commit.lock import PREFIX
from datajob.errors import SinkBusy
from tests.support.local_jobs import Rows, make_job, read_glob, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i} " * (i % 9), "key": i % 450} for i in range(3000)]
ROW_LOCAL = [{"compute": {"columns": {"size": "length(text)"}}}, {"filter": {"where": "size > 20"}}]
WITH_GLOBALS = [*ROW_LOCAL, {"exactDedup": {"columns": ["key"]}}, {"sort": {"by": ["size", "id"]}}]
SOURCE = "CASE WHEN id % 10 < 6 THEN 'web' WHEN id % 10 < 9 THEN 'code' ELSE 'math' END"
MIXTURE = [
    {"compute": {"columns": {"source": SOURCE, "size": "length(text)"}}},
    {"mix": {"weights": {"web": 0.7, "code": 0.2, "math": 0.1}, "tokens": "size", "stop": "allExhausted"}},
]
"""The stages of a mixture: rows, quotas, the rows that are taken, their order. The smaller sources are repeated."""
DEADLINE = 300.0


def start(job: Any, folder: Path, *, hold_after: int | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a driver. It commits at most `hold_after` shards, so that it does not end before it is killed."""
    (folder / "job.json").write_text(job.model_dump_json(by_alias=True, exclude_unset=True))
    (folder / "options.json").write_text(json.dumps({"executor": "local", "shard_bytes": 500, **options}))
    command = [sys.executable, "-m", "tests.support.runner", str(folder / "job.json"), str(folder / "options.json")]
    command += [] if hold_after is None else [str(hold_after)]
    return subprocess.Popen(command, start_new_session=True, stderr=(folder / "log").open("ab"))


def commits(sink: Path, stage: str = "") -> int:
    return sum(len(files) for _, _, files in os.walk(sink / "_datajob" / "commits" / stage))


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """SIGKILL the process group once `ready`; False if the process ended by itself before that."""
    deadline = time.monotonic() + DEADLINE
    while not ready():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("steps", [ROW_LOCAL, WITH_GLOBALS], ids=["row-local", "with global steps"])
def test_a_driver_killed_six_times_neither_loses_nor_duplicates_rows(steps: Rows, tmp_path: Path) -> None:
    chance = random.Random(len(steps))
    write_parts(tmp_path / "in", ROWS, 200)
    rejects = {"path": str(tmp_path / "rejects")}
    run(make_job(tmp_path / "in", tmp_path / "calm", steps))
    job = make_job(tmp_path / "in", tmp_path / "out", steps, rejects=rejects)
    kills = 0
    for _ in range(6):
        more = chance.randint(0, 10)
        target = commits(tmp_path / "out") + more
        process = start(job, tmp_path, hold_after=more + 5)
        kills += kill_when(process, lambda target=target: commits(tmp_path / "out") >= target)
        visible = read_glob(tmp_path / "out")  # no reader ever meets a file that it cannot read
        assert len({r["id"] for r in visible}) == len(visible)
    assert kills >= 4, f"the run was over after {kills} kills"
    last = start(job, tmp_path)
    assert last.wait(DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    assert read_manifest(tmp_path / "out") == read_manifest(tmp_path / "calm")
    assert read_glob(tmp_path / "out") == read_manifest(tmp_path / "calm")
    leftovers = {p.name for p in (tmp_path / "out" / "_datajob").iterdir()}
    assert leftovers <= {"commits", "manifest.json", "report.json", "report.html", "run.json"}


@pytest.mark.slow
def test_a_driver_killed_in_each_stage_of_a_mixture_gives_the_mixture_of_an_undisturbed_run(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 40)
    calm = run(make_job(tmp_path / "in", tmp_path / "calm", MIXTURE))
    job = make_job(tmp_path / "in", tmp_path / "out", MIXTURE)
    stages = (("01-rows", 15), ("01-rows-quotas", 1), ("02-rows", 15), ("02-rows", 40))
    killed = [
        kill_when(start(job, tmp_path), lambda stage=stage, count=count: commits(tmp_path / "out", stage) >= count)
        for stage, count in stages
    ]
    assert killed[:3] == [True] * 3, "only the last stage, which has one shard, can end before the signal"
    report = run(job, shard_bytes=500)
    assert report.sources == calm.sources
    assert [(s.source, round(s.share, 2), s.epochs) for s in report.sources if s.source == "code"] == [("code", 0.2, 1.0)]
    assert read_manifest(tmp_path / "out") == read_manifest(tmp_path / "calm") == read_glob(tmp_path / "out")


def test_only_shards_in_progress_are_repeated(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 60)
    job = make_job(tmp_path / "in", tmp_path / "out", ROW_LOCAL)
    assert kill_when(start(job, tmp_path, hold_after=25), lambda: commits(tmp_path / "out") >= 20)
    done = commits(tmp_path / "out")
    report = run(job, shard_bytes=500)
    assert report.attempt == 2
    assert report.shards_reused >= done - 1


def test_a_missing_result_file_is_written_again(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 10)
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    job = make_job(tmp_path / "in", tmp_path / "out", sink=sink)
    total = run(job).progress.shards_total
    next((tmp_path / "out").glob("*.parquet")).unlink()
    assert run(job).shards_reused == total - 1
    assert read_manifest(tmp_path / "out") == ROWS


def test_a_second_concurrent_run_is_refused_but_not_a_run_after_a_crash(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 60)
    job = make_job(tmp_path / "in", tmp_path / "out", ROW_LOCAL)
    process = start(job, tmp_path, hold_after=3)
    deadline = time.monotonic() + DEADLINE
    while commits(tmp_path / "out") < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(SinkBusy, match="Another run is writing"):
        run(job)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run(job)
    assert read_manifest(tmp_path / "out") == [{**r, "size": len(r["text"])} for r in ROWS if len(r["text"]) > 20]


@pytest.mark.parametrize(("run_id", "job_id", "taken"), [("b", "mine", True), ("a", "other", True), ("b", "other", False)])
def test_an_edited_job_takes_over_the_sink_from_its_killed_driver(
    tmp_path: Path, run_id: str, job_id: str, taken: bool
) -> None:
    """An edit changes the run. Its driver starts on another host, less than a minute after the earlier one was killed."""
    write_parts(tmp_path / "in", ROWS, 2)
    job = make_job(tmp_path / "in", tmp_path / "out", sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}})
    (tmp_path / "out" / "_datajob").mkdir(parents=True)
    lock = {"run_id": "a", "job_id": "mine", "held": True, "pid": 1, "host": "lost", "time": time.time()}
    (tmp_path / "out" / f"{PREFIX}other.json").write_text(json.dumps(lock))
    if taken:
        assert run(job, run_id=run_id, job_id=job_id).output
    else:
        with pytest.raises(SinkBusy):
            run(job, run_id=run_id, job_id=job_id)
