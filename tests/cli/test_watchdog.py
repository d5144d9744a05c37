"""A local run whose process ends in a function says which shard it was working on, and can be resumed."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, signal


def end(row):
    if row["id"] == 4 and not os.path.exists("fixed"):
        {end}
    return row
"""


def run(job: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datajob.cli", "run", "--executor", "local", str(job)]
    command += ["--set", "spec.steps[2]={map: {function: 'ending:end'}}", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=job.parent)


@pytest.mark.parametrize(
    ("end", "code"), [("os._exit(7)", 7), ("os._exit(0)", 0), ("os.kill(os.getpid(), signal.SIGSEGV)", -11)]
)
def test_a_function_that_ends_the_process_is_reported_with_the_shard_and_its_file(job: Path, end: str, code: int) -> None:
    (job.parent / "ending.py").write_text(CODE.format(end=end))
    ended = run(job)
    assert ended.returncode == code
    assert "terminated while it processed shard 0 of stage 02-rows. The likely cause is a function" in ended.stderr
    (job.parent / "fixed").touch()
    resumed = run(job)
    assert (resumed.returncode, "terminated" in resumed.stderr) == (0, False), resumed.stderr


def test_a_run_that_ends_with_an_error_or_is_complete_is_not_reported(job: Path) -> None:
    (job.parent / "ending.py").write_text(CODE.format(end="raise ValueError('no')"))
    ended = run(job)
    assert (ended.returncode, ended.stderr.count("\nError:"), "terminated" in ended.stderr) == (5, 1, False), ended.stderr


def test_the_message_names_the_file_of_the_first_stage(job: Path) -> None:
    (job.parent / "ending.py").write_text(CODE.format(end="os._exit(7)"))
    ended = run(job, "--set", "spec.steps[1]={drop: {columns: [text]}}")
    assert "shard 0 (" in ended.stderr and "rows.parquet) of stage 01-rows" in ended.stderr
