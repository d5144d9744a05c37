"""Jobs whose steps ask an endpoint: every row once, nothing paid twice, and no secret in any output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datajob.engine.exchange.blocks import read_blocks
from datajob.errors import EndpointUnavailable, InvalidJob, RowsFailed
from datajob.operators.inference._endpoints import sender
from tests.support.endpoint_server import (
    KEY,
    EndpointServer,
    endpoint_server,
    hanging,
    refusing,
    rejecting,
)
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

VARIABLE = "TEST_ENDPOINT_KEY"
ROWS: Rows = [{"id": i, "text": f"row {i}"} for i in range(300)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setattr(sender, "BACKOFF", 0.01)
    with endpoint_server(key=KEY) as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 6)
    return tmp_path / "in"


def step(server: EndpointServer, **fields: Any) -> dict[str, Any]:
    endpoint = {"url": server.url, "model": "tiny", "keyFrom": {"env": VARIABLE}, **fields}
    return {"textGeneration": {"endpoint": endpoint, "prompt": "say {text}"}}


def answered(rows: Rows = ROWS) -> Rows:
    return [{**row, "answer": f"answer to say {row['text']}"} for row in rows]


def texts_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The content of files, and the rows of those that are compressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            rows: Any = pq.read_table(path, partitioning=None).to_pylist() if path.suffix == ".parquet" else ""
            if path.suffix == ".arrow":
                rows = [table.to_pylist() for table in read_blocks(str(path.parent), path.name)]
            yield path, path.read_bytes() + repr(rows).encode()


def test_a_job_writes_each_answer_and_reports_what_it_used(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    price = {"input": 1e6, "output": 2e6}
    report = run(make_job(source, tmp_path / "out", [step(server, price=price)]), shard_bytes=None)
    assert read_manifest(tmp_path / "out") == answered()
    (used,) = report.endpoints
    prompts = sum(len(f"say {row['text']}") for row in ROWS)
    assert (used.endpoint, used.model, used.requests, used.retries) == (server.url, "tiny", 300, 0)
    assert (used.input_tokens, used.output_tokens, used.cost) == (prompts, 600, prompts + 1200)
    assert "endpoint http" in report.workers[0].models[0]
    assert used.endpoint in (tmp_path / "out" / "_datajob" / "report.html").read_text()


def test_a_small_input_needs_no_ray(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    import ray

    run(make_job(source, tmp_path / "out", [step(server)]), executor="auto")
    assert not ray.is_initialized() and read_manifest(tmp_path / "out") == answered()


def test_requests_of_several_shards_are_made_at_the_same_time(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    server.together = 40
    run(make_job(source, tmp_path / "out", [step(server, concurrency=40)]), shard_bytes=500)
    assert server.most == 40


def test_rows_that_an_endpoint_refuses_go_to_the_quarantine(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    server.refuse = lambda call: refusing(400, "context_length_exceeded") if call.prompts[0].endswith("7") else None
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad"), "maxRatio": 1.0}
    report = run(make_job(source, tmp_path / "out", [step(server)], errors=errors))
    assert report.progress.rows_failed == 30 and report.progress.rows_out == 270
    found = b"".join(content for _, content in texts_below(tmp_path / "bad"))
    assert b"context_length_exceeded" in found
    with pytest.raises(RowsFailed, match="context_length_exceeded"):
        run(make_job(source, tmp_path / "out2", [step(server)]))


def test_an_interrupted_job_repeats_no_request_that_was_answered(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    """The endpoint is lost after a third of the rows, twice."""
    job = make_job(source, tmp_path / "out", [step(server, retrySeconds=2, concurrency=8)])
    limit = [100]
    server.refuse = lambda call: refusing(503) if len(server.answered) >= limit[0] else None
    for _ in range(2):
        with pytest.raises(EndpointUnavailable):
            run(job, shard_bytes=None)
        limit[0] += 100
    report = run(job, shard_bytes=None)
    assert read_manifest(tmp_path / "out") == answered()
    assert set(server.answered.values()) == {1} and report.model_outputs_reused > 0
    (used,) = report.endpoints
    assert used.output_tokens == 600, "answers of earlier attempts were paid for, too"


def test_parameters_that_do_not_change_answers_do_not_cost_them_again(
    server: EndpointServer, source: Path, tmp_path: Path
) -> None:
    first = make_job(source, tmp_path / "out", [step(server)])
    limit = 150
    server.refuse = lambda call: refusing(401) if len(server.answered) >= limit else None
    with pytest.raises(InvalidJob):
        run(first, shard_bytes=None)
    server.refuse = lambda call: None
    other = step(server, concurrency=4, timeoutSeconds=60, price={"input": 1}, requestsPerMinute=100_000)
    run(make_job(source, tmp_path / "out", [other]), shard_bytes=None)
    assert sum(server.answered.values()) <= 300 + 8  # those in progress when the first job ended
    sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
    run(make_job(source, tmp_path / "out", [step(server, model="other")], sink=sink), shard_bytes=None)
    assert sum(server.answered.values()) >= 600


@pytest.mark.parametrize("outcome", ["complete", "rows failed", "wrong key", "unavailable"])
def test_the_key_is_in_no_file_message_or_log(
    server: EndpointServer, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], outcome: str
) -> None:
    echo = f"key {KEY} and Bearer {KEY}"
    statuses = {"rows failed": 400, "wrong key": 401, "unavailable": 500}
    refused = {name: refusing(status, "bad", echo) for name, status in statuses.items()}
    server.refuse = lambda call: refused.get(outcome) if int(call.prompts[0].split()[-1]) > 9 else None
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad"), "maxRatio": 1.0}
    rejects = {"path": str(tmp_path / "rejects")}
    job = make_job(source, tmp_path / "out", [step(server, retrySeconds=0.2)], errors=errors, rejects=rejects)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(job.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    command = [sys.executable, "-m", "datajob.cli", "--debug", "run", "--executor", "local", str(file)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, VARIABLE: KEY}, timeout=300)
    expected = {"complete": 0, "rows failed": 0, "wrong key": 2, "unavailable": 11}
    assert done.returncode in (expected[outcome],), done.stderr.decode()
    file.unlink()
    found = [(str(path), content) for path, content in texts_below(tmp_path)]
    assert len(found) > 6 and not [path for path, content in found if KEY.encode() in content]
    assert KEY.encode() not in done.stdout + done.stderr


def start(job: Any, file: Path) -> subprocess.Popen[bytes]:
    file.write_text(json.dumps(job.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    command = [sys.executable, "-m", "datajob.cli", "run", "--quiet", "--executor", "local", str(file)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, VARIABLE: KEY})


def wait_until(reached: Any, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_rows_are_answered_once_by_an_overloaded_server_although_the_job_is_killed_twice(
    server: EndpointServer, source: Path, tmp_path: Path
) -> None:
    server.refuse = rejecting(0.2, seed=11)
    server.seconds, server.slots = 0.05, 5  # 100 answers per second
    write_parts(tmp_path / "in", [{"id": i, "text": f"row {i}"} for i in range(600)], 6)
    job = make_job(tmp_path / "in", tmp_path / "out", [step(server)])
    for killed_at in (200, 400):
        process = start(job, tmp_path / "job.json")
        wait_until(lambda at=killed_at: len(server.answered) >= at, process)
        process.kill()
        process.wait()
    process = start(job, tmp_path / "job.json")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    rows = [{"id": i, "text": f"row {i}"} for i in range(600)]
    assert read_manifest(tmp_path / "out") == answered(rows)
    twice = sum(server.answered.values()) - 600
    print(f"{twice} answers were paid for twice")
    assert twice <= 2 * 150  # what is answered within a second, and in progress, on a slow machine


def test_an_interrupted_process_does_not_wait_for_answers(server: EndpointServer, source: Path, tmp_path: Path) -> None:
    server.refuse = lambda call: hanging
    process = start(make_job(source, tmp_path / "out", [step(server)]), tmp_path / "job.json")
    wait_until(lambda: server.open >= 8, process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode != 0 and time.monotonic() - began < 300  # a request takes 600 seconds
