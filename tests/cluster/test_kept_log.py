"""The log of a driver is kept next to the output, so that it outlives the pods."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datajob.api.contract import ENV_ATTEMPT, ENV_EXECUTOR, ENV_RUN_ID, ENV_SHOW_ROWS
from datajob.cli.commands import datajob as command
from datajob.engine.commit.run_log import HEAD_BYTES, KEPT_LOGS, LOGS, TAIL_BYTES, Buffer, FileSource, RunLog, logs_in
from datajob.formats.folder import Folder
from hack.cluster.waiting import SECONDS, wait_for
from tests.controller.test_entrypoint import mounted

FUNCTIONS = "tests.support.engine_functions"


def driver(folder: Path, environment: dict[str, str], **spec: Any) -> subprocess.Popen[bytes]:
    """Start a driver whose output goes to a file, as under Ray's job supervisor."""
    path = mounted(folder, **spec)
    values = {ENV_EXECUTOR: "local", ENV_RUN_ID: "run", ENV_ATTEMPT: "2", **environment}
    with (folder / "driver.log").open("ab") as output:
        output.write(b"output of an earlier process\n")
        output.flush()
        return subprocess.Popen(
            [sys.executable, "-m", "datajob.cluster.run", path], env={**os.environ, **values}, stdout=output, stderr=output
        )


def stored(sink: Path) -> str:
    (name,) = sorted((sink / LOGS).glob("*.log"))
    assert name.name.endswith("-2.log")
    return name.read_text()


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(command, ["logs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_log_of_a_driver_is_stored_with_what_user_code_prints(tmp_path: Path) -> None:
    steps = [{"map": {"function": f"{FUNCTIONS}:prints"}}]
    assert driver(tmp_path, {}, steps=steps).wait(SECONDS) == 0
    log = stored(tmp_path / "out")
    assert "a line of a user" in log and "100%: 10 rows read" in log
    assert "output of an earlier process" not in log
    assert shown(str(tmp_path / "out")) == shown(str(tmp_path / "out"), "--attempt", "2") == log


@pytest.mark.parametrize("show_rows", [False, True])
def test_values_of_rows_are_shown_only_if_the_setting_allows_it(tmp_path: Path, show_rows: bool) -> None:
    """The row is `{id: 7}`, and the message of the error contains it too."""
    steps = [{"map": {"function": f"{FUNCTIONS}:refuses_with_its_row"}}]
    assert driver(tmp_path, {ENV_SHOW_ROWS: str(show_rows).lower()}, steps=steps).wait(SECONDS) == 5
    log = stored(tmp_path / "out")
    assert ("secret-7" in log) == ("The row is" in log) == show_rows
    assert "Step map failed on a row: ValueError" in log
    assert "in/in-0001.parquet" in log
    assert ("show_row_contents" in log) != show_rows
    report = json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text())
    assert "secret-7" in report["message"]


def test_a_step_that_fails_on_every_row_shows_no_values(tmp_path: Path) -> None:
    steps = [{"map": {"function": f"{FUNCTIONS}:refuses_all_with_their_rows"}}]
    assert driver(tmp_path, {}, steps=steps, errors={"policy": "drop"}).wait(SECONDS) == 5
    log = stored(tmp_path / "out")
    assert "failed on every row (10)" in log and "ValueError" in log
    assert "secret" not in log


def test_a_killed_driver_leaves_its_log(tmp_path: Path) -> None:
    written = tmp_path / "source.log"
    written.write_bytes(b"before\n")
    program = f"""
from pathlib import Path
from datajob.engine.commit.run_log import FileSource, RunLog
from datajob.formats.folder import Folder
with RunLog(Folder({str(tmp_path / "out")!r}), 2, FileSource(Path({str(written)!r})), interval=0.05):
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: list((tmp_path / "out" / LOGS).glob("*.log")), "the log", every=0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert stored(tmp_path / "out") == "before\n"


def test_an_invalid_job_and_a_missing_sink_store_no_log(tmp_path: Path) -> None:
    assert driver(tmp_path, {}, steps=[{"filter": {"where": "id >"}}]).wait(SECONDS) == 2
    log = (tmp_path / "driver.log").read_text()
    assert "spec.steps[0].filter: `id >` is not a valid SQL expression" in log
    assert "job.yaml:" not in log


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    path, buffer = tmp_path / "long.log", Buffer()
    lines = [f"line {number:09} {'x' * 90}" for number in range(30_000)]
    path.write_text("".join(f"{line}\n" for line in lines))
    for line in lines:
        buffer.line(line)
    for source in (FileSource(path), buffer):
        content = source()
        assert len(content) <= HEAD_BYTES + TAIL_BYTES + 100
        assert b"line 000000000" in content and b"line 000029999" in content
        assert b" bytes omitted ..." in content


def test_old_logs_are_deleted(tmp_path: Path) -> None:
    sink = Folder(str(tmp_path))
    for number in range(2 * KEPT_LOGS):
        sink.write(f"{LOGS}/20260101T0000{number:02}Z-1.log", b"old")
    with RunLog(sink, 3, lambda: b"new"):
        wait_for(lambda: len(logs_in(sink)) < KEPT_LOGS, "the old logs to be deleted", every=0.01)
    assert len(logs_in(sink)) == KEPT_LOGS
    assert shown(str(tmp_path)) == "new"


def test_a_sink_that_cannot_be_written_does_not_end_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "_datajob").write_text("a file in the way")
    with RunLog(Folder(str(tmp_path)), 1, lambda: b"x", interval=0.01):
        pass
    assert len([one for one in caplog.records if "cannot store the log" in one.message]) == 1


def test_a_run_on_this_machine_keeps_a_log(tmp_path: Path) -> None:
    path = mounted(tmp_path, steps=[{"filter": {"where": "id < 5"}}])
    assert CliRunner().invoke(command, ["run", path, "--quiet"]).exit_code == 0
    log = shown(str(tmp_path / "out"))
    assert "Started: 2 files" in log and "100%: 10 rows read, 5 written, 5 rejected" in log


def test_a_sink_without_a_log_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["logs", f"{tmp_path}/"])
    assert "contains no log" in str(result.exception)


def test_a_line_that_cannot_be_parsed_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "lines.json").write_text('{"id": 1}\n{"id": secret\n')
    spec = {"sources": [{"json": {"paths": [str(tmp_path / "lines.json")]}}]}
    assert driver(tmp_path, {}, **spec).wait(SECONDS) == 5
    log = stored(tmp_path / "out")
    assert "Step read failed on a row: " in log and "lines.json:byte 10" in log
    assert "secret" not in log
