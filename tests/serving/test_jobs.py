"""Jobs that send their rows to a service of this project: the application and the steps, without substitutes between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datajob.operators.inference._endpoints import sender
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts
from tests.support.pictures import photo_bytes
from tests.support.serving import FakeServing, RequestLimits, new_service, running

ROWS: Rows = [{"id": i, "text": f"row {i}"} for i in range(120)]


def answers(folder: Path, rows: Rows, step: dict[str, Any]) -> tuple[Rows, Any]:
    """The result of a job with one step, and its report."""
    write_parts(folder / "in", rows, 3)
    report = run(make_job(folder / "in", folder / "out", [step]), shard_bytes=None)
    return read_manifest(folder / "out"), report


def test_every_row_is_answered_once_by_a_service_that_rejects_most_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "BACKOFF", 0.01)
    service = new_service(FakeServing(slots=2, step_seconds=0.02), limits=RequestLimits(concurrentRequests=2))
    with running(service) as server:
        endpoint = {"url": server.url, "model": "test", "concurrency": 6}
        found, report = answers(tmp_path, ROWS[:60], {"textGeneration": {"endpoint": endpoint, "prompt": "say {text}"}})
        status, metrics = server.get("/metrics")
    assert found == [{**row, "answer": f"say {row['text']}"} for row in ROWS[:60]]
    (used,) = report.endpoints
    assert used.requests - used.retries == 60
    assert used.retries > 0
    assert status == 200 and "datajob_service" in metrics


def test_images_are_sent_with_the_prompt(tmp_path: Path) -> None:
    rows: Rows = [{"id": i, "image": photo_bytes(name)} for i, name in enumerate(["china", "flower", "china"])]
    with running(new_service()) as server:
        endpoint = {"url": server.url, "model": "test"}
        step = {"visionLanguage": {"endpoint": endpoint, "prompt": "what is shown"}}
        found, report = answers(tmp_path, rows, step)
    said = [row["answer"] for row in found]
    assert all(answer.startswith("what is shown ") for answer in said)
    assert said[0] == said[2] != said[1]
    assert report.endpoints[0].retries == 0


def test_embeddings_are_those_of_the_service(tmp_path: Path) -> None:
    with running(new_service()) as server:
        endpoint = {"url": server.url, "model": "test"}
        found, _ = answers(tmp_path, ROWS[:20], {"embed": {"endpoint": endpoint, "column": "text"}})
        direct = server.client().embeddings.create(model="test", input=[row["text"] for row in ROWS[:20]])
    for row, one in zip(found, direct.data, strict=True):
        assert np.array_equal(np.array(row["embedding"], np.float32), np.array(one.embedding, np.float32))
