"""Slow steps on small inputs: processes of this machine share the shards, and the result is that of one process."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from datajob.engine.events import Event, Note, Progressed
from datajob.engine.executors import advance, helpers, local_processes, machine
from datajob.engine.worker import sharing
from datajob.engine.worker.checkpoints import covered_rows
from datajob.errors import WorkerDied
from hack.cluster.waiting import SECONDS, wait_for
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i} " * (i % 9)} for i in range(6000)]
SOME = ROWS[:3000]


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes start as soon as two slices are processed."""
    monkeypatch.setattr(helpers, "MEASURED_SECONDS", 0.0)
    monkeypatch.setattr(helpers, "MIN_GAIN", 0.0)
    monkeypatch.setattr(helpers, "MIN_LEFT", 0.0)
    monkeypatch.setattr(helpers, "processes", lambda used: 2)
    monkeypatch.setattr(sharing, "CHUNK_SECONDS", (0.05, 0.05))


def files(sink: Path) -> dict[str, bytes]:
    return {str(p.relative_to(sink)): p.read_bytes() for p in sorted(sink.glob("*.parquet"))}


def job(folder: Path, name: str = "out", errors: Any = None, **params: Any) -> Any:
    """A function that is slow in the driver. It notes the processes in which it runs."""
    (folder / "log").mkdir(exist_ok=True)
    params = {"driver": os.getpid(), "log": str(folder / "log"), **params}
    step = {"map": {"function": "tests.support.interrupted:slow_in", "params": params}}
    sink = {"parquet": {"path": str(folder / name), "mode": "overwrite"}}
    return make_job(folder / "in", folder / name, [step], sink=sink, **({"errors": errors} if errors else {}))


def others(folder: Path) -> set[str]:
    return {p.name for p in (folder / "log").iterdir()} - {str(os.getpid())}


EXPECTED = [{**row, "size": len(row["text"])} for row in ROWS]


def test_slow_shards_are_shared_and_give_the_files_of_one_process(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 5)
    notes: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.message)

    run(job(tmp_path), executor="auto", shard_bytes=60_000, on_event=on_event)
    assert "The steps are slow: 2 processes work on them." in notes
    assert others(tmp_path)
    shared = files(tmp_path / "out")
    assert len(shared) > 1
    assert read_manifest(tmp_path / "out") == EXPECTED
    run(job(tmp_path, driver=0), executor="local", shard_bytes=60_000, fresh=True)
    assert [content for _, content in sorted(files(tmp_path / "out").items())] == list(shared.values())


def test_a_process_that_is_killed_is_replaced_and_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_processes, "SECONDS", 0.01)
    monkeypatch.setattr(advance, "SECONDS", 0.01)
    write_parts(tmp_path / "in", ROWS, 1)
    events: list[Event] = []
    steps = job(tmp_path, deadly=5500, marker=str(tmp_path / "died"))
    run(steps, executor="auto", shard_bytes=1 << 20, on_event=events.append)
    assert (tmp_path / "died").exists()
    assert read_manifest(tmp_path / "out") == EXPECTED
    check_progress_of_one_shard(events)


def check_progress_of_one_shard(events: list[Event]) -> None:
    """The percentage increases before the only shard is committed."""
    found = [event.report.progress for event in events if isinstance(event, Progressed)]
    percent = [progress.percent for progress in found if progress.shards_done == 0]
    assert percent == sorted(percent) and len({p for p in percent if 0 < p <= 100}) > 1, percent


def test_covered_rows_are_counted_once() -> None:
    assert covered_rows({}) == 0
    assert covered_rows({0: 10, 20: 30, 5: 12, 22: 25, 30: 31}) == 23


def test_a_row_that_ends_every_process_fails_alone_or_ends_the_run(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 1)
    with pytest.raises(WorkerDied, match=r"3 processes died, the last one with exit code 9"):
        run(job(tmp_path, deadly=5500), executor="auto", shard_bytes=1 << 20)
    report = run(job(tmp_path, deadly=5500, errors={"policy": "drop"}), executor="auto", shard_bytes=1 << 20)
    assert read_manifest(tmp_path / "out") == [row for row in EXPECTED if row["id"] != 5500]
    assert report.progress.rows_failed == 1


def test_a_step_that_other_processes_cannot_import_runs_in_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("only_here")
    exec("from tests.support.table_functions import LongerThan\nclass Own(LongerThan):\n    'Mine.'\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    write_parts(tmp_path / "in", ROWS[:300], 1)
    steps = [
        {"custom": {"operator": "only_here:Own", "params": {"column": "text", "characters": 3}}},
        {"map": {"function": "tests.support.interrupted:noted", "params": {"log": str(tmp_path), "seconds": 0.01}}},
    ]
    run(make_job(tmp_path / "in", tmp_path / "out", steps), executor="auto", shard_bytes=1 << 20)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [row["id"] for row in ROWS[:300] if len(row["text"]) > 3]


SCRIPT = """
import json, sys
from datajob.engine.executors import helpers
from datajob.engine.worker import shard_chain, sharing
helpers.MEASURED_SECONDS = helpers.MIN_GAIN = helpers.MIN_LEFT = 0.0
helpers.processes = lambda used: 2
sharing.CHUNK_SECONDS = (0.05, 0.05)
shard_chain.SHORTEST = 0.05
shard_chain.SLICE_SECONDS = 0.02
shard_chain.STORE_SECONDS = 0.0
import datajob
datajob.run(json.loads(sys.argv[1]))
"""
"""A script without `if __name__ == "__main__"`."""


@pytest.fixture
def noted_job(tmp_path: Path) -> Any:
    write_parts(tmp_path / "in", SOME, 1)
    (tmp_path / "log").mkdir()
    params = {"log": str(tmp_path / "log"), "seconds": 0.004}
    step = {"map": {"function": "tests.support.interrupted:noted", "params": params}}
    return make_job(tmp_path / "in", tmp_path / "out", [step])


def start(job: Any, folder: Path) -> subprocess.Popen[bytes]:
    content = json.dumps(job.model_dump(mode="json", by_alias=True, exclude_unset=True))
    command = [sys.executable, "-c", SCRIPT, content]
    return subprocess.Popen(command, start_new_session=True, stderr=(folder / "errors").open("ab"))


def calls(folder: Path) -> Counter[int]:
    return Counter(int(line) for p in (folder / "log").iterdir() for line in p.read_text().split("\n")[:-1])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_at_random_moments_loses_little_work(
    noted_job: Any, tmp_path: Path, number: signal.Signals
) -> None:
    chance = random.Random(number)
    kills = 0
    for _ in range(4):
        target = sum(calls(tmp_path).values()) + chance.randrange(50, 1200)
        process = start(noted_job, tmp_path)
        wait_for(lambda: sum(calls(tmp_path).values()) >= target or process.poll() is not None, "rows", 900, every=0.01)  # noqa: B023
        process.send_signal(number)
        if process.wait(SECONDS) == 0:
            break
        kills += 1
        wait_for(lambda: not any(is_alive(int(p.name)) for p in (tmp_path / "log").iterdir()), "the end of the processes")
    else:
        assert start(noted_job, tmp_path).wait(SECONDS) == 0, (tmp_path / "errors").read_text()[-2000:]
    assert read_manifest(tmp_path / "out") == EXPECTED[: len(SOME)]
    lost = sum(calls(tmp_path).values()) - len(SOME)
    assert kills
    assert lost <= kills * 400, f"{lost} rows were repeated after {kills} kills"


def test_the_number_of_processes_is_limited_by_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "available_memory", lambda: 4 << 30)
    assert [machine.processes(size) for size in (0, 1 << 30, 8 << 30)] == [5, 2, 1]
