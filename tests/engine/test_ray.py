"""Runs on Ray Data: concurrent shards, killed workers, a killed driver."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from datajob.engine.events import Event
from datajob.engine.executors import advance, ray_data
from datajob.engine.executors.ray_data import RayExecutor
from datajob.engine.worker.sharing import Limit, Share, Slow, shares
from datajob.errors import WorkerDied
from tests.engine.test_crash import DEADLINE, MIXTURE, ROW_LOCAL, ROWS, WITH_GLOBALS, commits, kill_when, start
from tests.engine.test_local_processes import check_progress_of_one_shard
from tests.support.local_jobs import Rows, make_job, read_glob, read_manifest, run, write_parts

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SHARDS = 40


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """One local Ray for the tests of this module that do not kill their driver."""
    executor = RayExecutor()
    yield
    executor.close()


@pytest.mark.parametrize("steps", [ROW_LOCAL, WITH_GLOBALS, MIXTURE], ids=["row-local", "with global steps", "a mixture"])
def test_ray_data_gives_the_rows_of_one_process(steps: Rows, tmp_path: Path, ray_cluster: None) -> None:
    write_parts(tmp_path / "in", ROWS, SHARDS)
    here = run(make_job(tmp_path / "in", tmp_path / "here", steps))
    there = run(make_job(tmp_path / "in", tmp_path / "there", steps), executor="ray")
    assert read_manifest(tmp_path / "there") == read_manifest(tmp_path / "here")
    assert there.sources == here.sources
    for mine, other in zip(here.steps, there.steps, strict=True):
        assert mine.model_copy(update={"seconds": 0}) == other.model_copy(update={"seconds": 0})


def test_a_dying_worker_loses_no_row(tmp_path: Path, ray_cluster: None) -> None:
    write_parts(tmp_path / "in", ROWS, SHARDS)
    step = {"map": {"function": "tests.support.engine_functions:die_once", "params": {"marker": str(tmp_path / "died")}}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]), executor="ray")
    assert (tmp_path / "died").exists()
    assert read_manifest(tmp_path / "out") == ROWS == read_glob(tmp_path / "out")
    assert report.progress.rows_in == len(ROWS)


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_rows_that_end_their_worker_fail_alone(policy: str, tmp_path: Path, ray_cluster: None) -> None:
    write_parts(tmp_path / "in", ROWS, 4)
    step = {"map": {"function": "tests.support.engine_functions:die_on_some"}}
    errors = {"policy": policy, "path": str(tmp_path / "bad")} if policy == "quarantine" else {"policy": policy}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step], errors=errors), executor="ray", shard_bytes=1 << 20)
    assert read_manifest(tmp_path / "out") == [row for row in ROWS if row["id"] not in (13, 500)]
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (len(ROWS), len(ROWS) - 2, 2)
    if policy == "quarantine":
        bad = read_glob(tmp_path / "bad")
        assert sorted(row["id"] for row in bad) == [13, 500]
        assert sorted(row["_error"].split(": ")[-1] for row in bad) == ["exit code 7", "signal SIGSEGV"]


def test_a_shard_that_ends_its_worker_three_times_ends_the_job(tmp_path: Path, ray_cluster: None) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    step = {"map": {"function": "tests.support.engine_functions:die_on_some"}}
    with pytest.raises(
        WorkerDied, match=r"ran shard 0 \(.*in-0000\.parquet.*\) of stage .* terminated: 3 worker processes died.*memory"
    ):
        run(make_job(tmp_path / "in", tmp_path / "out", [step]), executor="ray", shard_bytes=1 << 20)


def test_an_error_of_a_worker_keeps_its_class(tmp_path: Path, ray_cluster: None) -> None:
    from datajob.errors import RowsFailed

    write_parts(tmp_path / "in", ROWS, SHARDS)
    step = {"map": {"function": "tests.support.engine_functions:refuse_thirteen"}}
    with pytest.raises(RowsFailed, match="no row"):
        run(make_job(tmp_path / "in", tmp_path / "out", [step]), executor="ray")


def test_a_driver_on_ray_that_is_killed_twice_resumes(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 100)
    run(make_job(tmp_path / "in", tmp_path / "calm", MIXTURE))
    job = make_job(tmp_path / "in", tmp_path / "out", MIXTURE)
    for stage in ("01-rows", "02-rows"):
        process = start(job, tmp_path, executor="ray")
        assert kill_when(process, lambda stage=stage: commits(tmp_path / "out", stage) >= 20)
        end_session(process)
    assert start(job, tmp_path, executor="ray").wait(DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    assert read_manifest(tmp_path / "out") == read_manifest(tmp_path / "calm") == read_glob(tmp_path / "out")


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Ray's processes have their own groups and end when they notice that their driver is gone; help them."""
    deadline = time.monotonic() + DEADLINE
    while mine := [p for p in psutil.process_iter() if session_of(p) == process.pid]:
        assert time.monotonic() < deadline
        for p in mine:
            with suppress(psutil.NoSuchProcess):
                p.kill()
        psutil.wait_procs(mine, timeout=1)


def session_of(process: psutil.Process) -> int | None:
    """The session of a process; None if it has ended."""
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def test_workers_without_shards_share_a_slow_one(tmp_path: Path, ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[Slow] = []

    def noted_shares(slow: Slow, workers: int) -> list[Share]:
        given_up.append(slow)
        return shares(slow, workers)

    monkeypatch.setattr(ray_data, "shares", noted_shares)
    monkeypatch.setattr(ray_data, "PATIENCE", Limit(seconds=0.2, remaining=0.2))
    monkeypatch.setattr(ray_data, "SECONDS", 0.01)
    monkeypatch.setattr(advance, "SECONDS", 0.01)
    events: list[Event] = []
    write_parts(tmp_path / "in", ROWS[:1000], 1)
    (tmp_path / "log").mkdir()
    params = {"log": str(tmp_path / "log"), "seconds": 0.005}
    step = {"map": {"function": "tests.support.interrupted:noted", "params": params}}
    job = make_job(tmp_path / "in", tmp_path / "out", [step])
    run(job, executor="ray", shard_bytes=1 << 20, on_event=events.append)
    check_progress_of_one_shard(events)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [row["id"] for row in ROWS[:1000]]
    calls = [int(line) for file in (tmp_path / "log").iterdir() for line in file.read_text().split()]
    assert sorted(calls) == [row["id"] for row in ROWS[:1000]], "no row is processed twice"
    assert [slow.shard.index for slow in given_up] == [0]
