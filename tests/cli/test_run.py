"""`datajob run` and `datajob report` on real rows, with the local executor."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datajob.cli import running
from datajob.errors import RowsFailed
from hack.cluster.waiting import SECONDS, wait_for
from tests.support.console import DataJobCommand


def run(datajob: DataJobCommand, job: Path, *more: str):
    return datajob("run", "--executor", "local", str(job), *more)


def test_a_run_prints_a_table_of_the_steps_and_the_location_of_the_result(datajob: DataJobCommand, job: Path) -> None:
    ended = run(datajob, job)
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["filter", "6", "5", "1", "0"] in [line[:5] for line in lines]
    assert ["duplicate", "(20.0%)", "1"] in [line[:3] for line in lines]
    assert f"Result  {job.parent}/out (4 rows, 1 file," in ended.out
    assert pq.read_table(job.parent / "out").num_rows == 4
    assert "tidy: 1 file, " in ended.err


def test_quiet_prints_nothing(datajob: DataJobCommand, job: Path) -> None:
    ended = run(datajob, job, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_dry_run_prints_the_plan_and_writes_nothing(datajob: DataJobCommand, job: Path) -> None:
    ended = run(datajob, job, "--dry-run", "--set", "spec.steps[2].limit.count=2")
    assert ended.code == 0 and "filter" in ended.out and "limit" in ended.out
    assert not (job.parent / "out").exists()


def test_overrides_apply_to_the_run(datajob: DataJobCommand, job: Path) -> None:
    assert run(datajob, job, "--set", f"spec.sink.parquet.path={job.parent}/elsewhere").code == 0
    assert (job.parent / "elsewhere").exists() and not (job.parent / "out").exists()


def test_functions_next_to_the_job_are_found(datajob: DataJobCommand, job: Path) -> None:
    (job.parent / "shouting.py").write_text("def shout(row):\n    return row | {'text': row['text'].upper()}\n")
    ended = run(datajob, job, "--set", "spec.steps[2]={map: {function: 'shouting:shout'}}")
    assert ended.code == 0, ended.err
    assert "TWO ROSES" in pq.read_table(job.parent / "out")["text"].to_pylist()


ERRORS = {
    "an invalid job": (("--set", "spec.steps[0]=1"), 2, "spec.steps[0]: must be a mapping"),
    "a column that is not in the data": (("--set", "spec.steps[1].exactDedup.columns=[body]"), 2, "`body`"),
    "an input that is not there": (("--set", "spec.sources[0].parquet.paths=[/no/where]"), 3, "/no/where"),
    "a sink that cannot be": (("--set", "spec.sink.parquet.path=/proc/nothing/here"), 4, "/proc/nothing/here"),
}


@pytest.mark.parametrize(("more", "code", "named"), ERRORS.values(), ids=list(ERRORS))
def test_an_error_is_one_paragraph_with_its_exit_code(
    datajob: DataJobCommand, job: Path, more: tuple[str, ...], code: int, named: str
) -> None:
    ended = run(datajob, job, *more)
    assert (ended.code, ended.out) == (code, "")
    assert "Error: " in ended.err and named in ended.err and "Traceback" not in ended.err


def test_debug_shows_the_traceback(datajob: DataJobCommand, job: Path) -> None:
    ended = run(datajob, job, "--debug", "--set", "spec.sources[0].parquet.paths=[/no/where]")
    assert ended.code == 3 and "Traceback" in ended.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RowsFailed("3 rows failed"), 5, "Error: 3 rows failed\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted. Run the same command again to resume.\n"),
        (ValueError("odd"), 1, "Error: Unexpected error: ValueError: odd\nUse --debug to print the traceback.\n"),
        (
            ModuleNotFoundError("No module named 'ray'", name="ray.data"),
            1,
            "Error: This command requires the package ray: pip install 'datajob[workload]'\n",
        ),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    datajob: DataJobCommand, job: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(running, "_run", fail)
    ended = run(datajob, job)
    assert (ended.code, ended.err) == (code, said)


def test_one_of_several_jobs_is_selected_by_name(datajob: DataJobCommand, job: Path) -> None:
    job.write_text(f"{job.read_text()}---\n{job.read_text().replace('name: tidy', 'name: other')}")
    assert "select one with `--name NAME`" in run(datajob, job).err
    assert "no job named third; it contains: tidy, other" in run(datajob, job, "--name", "third").err
    assert run(datajob, job, "--name", "other", "--dry-run").out.startswith("DataJob other")


def test_the_report_is_found_printed_and_written(datajob: DataJobCommand, job: Path) -> None:
    printed = run(datajob, job).out
    for path in ("out", "out/", "out/_datajob", "out/_datajob/report.json"):
        assert datajob("report", f"{job.parent}/{path}").out == printed
    page = job.parent / "page.html"
    assert datajob("report", f"{job.parent}/out", "--html", str(page)).code == 0
    assert "&lt;b&gt;one&lt;/b&gt;" in page.read_text()
    assert datajob("report", f"{job.parent}/out", "--html", "-").out == page.read_text()


def test_a_missing_report_is_an_input_error(datajob: DataJobCommand, tmp_path: Path) -> None:
    ended = datajob("report", str(tmp_path))
    assert ended.code == 3 and "report.json cannot be read" in ended.err
    (tmp_path / "x.json").write_text(json.dumps({"a": 1}))
    assert datajob("report", str(tmp_path / "x.json")).code == 3


def test_ctrl_c_exits_with_130_and_a_message(job: Path) -> None:
    asleep = job.parent / "asleep"
    code = f"import time\nfrom pathlib import Path\n\ndef nap(row):\n    Path({str(asleep)!r}).touch()\n    time.sleep(600)\n"
    (job.parent / "sleeping.py").write_text(code)
    command = [sys.executable, "-m", "datajob.cli", "run", "--executor", "local", str(job)]
    command += ["--set", "spec.steps[2]={map: {function: 'sleeping:nap'}}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            wait_for(asleep.exists, "the first row", every=0.01)
            run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=SECONDS)
        finally:
            run.kill()
    assert run.returncode == 130
    assert "Interrupted." in err and "Traceback" not in err


def test_an_error_found_by_a_check_has_its_line(datajob: DataJobCommand, job: Path) -> None:
    text = job.read_text()
    line = next(number for number, found in enumerate(text.splitlines(), start=1) if "exactDedup" in found)
    job.write_text(text.replace("exactDedup", "drop: {columns: [text]}\n  - exactDedup"))
    ended = run(datajob, job)
    assert ended.code == 2
    assert f"{job}:{line + 1}: spec.steps[2].exactDedup.columns: " in ended.err


def test_a_warning_is_printed_with_its_line(datajob: DataJobCommand, job: Path) -> None:
    step = "  - llava: {image: id, prompt: Describe it., output: caption}\n  sink:"
    job.write_text(job.read_text().replace("  sink:", step).replace("/in", "/nowhere"))
    ended = run(datajob, job)
    assert ended.code == 3, ended.err
    assert f"{job}:10: spec.steps[2].llava: warning: is slow on a machine without an accelerator" in ended.err
