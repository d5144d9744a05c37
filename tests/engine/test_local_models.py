"""Models in the local executor: shards in progress at the same time, full batches, and runs that end early."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from datajob.engine.events import Event, Progressed
from datajob.errors import DataJobError
from datajob.operators.inference._engines.base import Answer, Request
from datajob.operators.inference._engines.batching import Batcher
from datajob.operators.inference._engines.fake import Fake
from hack.cluster.waiting import wait_for
from tests.support.local_jobs import Rows, make_job, read_manifest, run
from tests.support.models.photos import jpeg, make_photos

COUNT = 40
BATCH = 16


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", COUNT)


def job(photos: Path, out: Path, **spec: Any) -> Any:
    llava = {"engine": "fake", "model": "none", "image": "image", "prompt": "photo", "batchRows": BATCH}
    steps = [{"llava": llava}, {"select": {"columns": ["path", "caption"]}}]
    return make_job(photos, out, steps, sources=[{"images": {"paths": [str(photos)], "includePath": "path"}}], **spec)


def rows(out: Path) -> Rows:
    return [{**row, "path": Path(row["path"]).name} for row in read_manifest(out)]


def shard_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("shard ")]


def test_rows_of_several_shards_form_full_batches(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    submitted: list[int] = []
    answer, submit = Fake.answer, Batcher.submit
    largest_shard = 8

    def counted(self: Fake, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        if not batches:
            wait_for(lambda: sum(submitted) == COUNT, "the rows of all shards", every=0.01)
        batches.append(len(requests))
        return answer(self, requests, inputs)

    def noted(self: Batcher, requests: Sequence[Request]) -> list[Future[Answer]]:
        found = submit(self, requests)
        submitted.append(len(requests))
        return found

    monkeypatch.setattr(Fake, "answer", counted)
    monkeypatch.setattr(Batcher, "submit", noted)
    report = run(job(photos, tmp_path / "out"), shard_bytes=None)
    assert report.progress.shards_total >= COUNT / largest_shard
    assert max(batches) == BATCH > largest_shard
    assert sum(batches) == COUNT
    assert [row["path"] for row in rows(tmp_path / "out")] == sorted(p.name for p in photos.iterdir())


def test_the_error_of_a_shard_ends_the_run_and_all_other_shards(photos: Path, tmp_path: Path) -> None:
    (photos / "photo-0007.jpg").write_bytes(jpeg(7)[:900])
    with pytest.raises(DataJobError, match=r"photo-0007\.jpg"):
        run(job(photos, tmp_path / "out"), shard_bytes=None)
    assert not shard_threads()


def test_an_interrupted_run_stops_its_shards_and_the_next_run_resumes(photos: Path, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, Progressed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(photos, tmp_path / "out"), shard_bytes=None, on_event=interrupt)
    assert not shard_threads()
    report = run(job(photos, tmp_path / "out"), shard_bytes=None)
    assert report.shards_reused >= 1
    run(job(photos, tmp_path / "whole"), shard_bytes=None)
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")


def test_no_shard_runs_on_while_the_error_is_handled(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Fake.answer

    def slow(self: Fake, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        threading.Event().wait(0.5)
        return answer(self, requests, inputs)

    def interrupt(event: Event) -> None:
        if isinstance(event, Progressed):
            raise KeyboardInterrupt

    monkeypatch.setattr(Fake, "answer", slow)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(job(photos, tmp_path / "out"), shard_bytes=None, on_event=interrupt)
    assert not shard_threads(), "the shards must not write while another run may hold the lock"
    assert caught.traceback, "which keeps the frames of the run alive"
