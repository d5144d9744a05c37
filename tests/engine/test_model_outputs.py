"""Model jobs that are killed within a shard: model outputs are reused, and no row is lost or duplicated."""

import io
import json
import os
import random
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.datajob import DataJob
from datajob.api.report import Report
from datajob.engine.worker.model_outputs import ShardModelOutputs
from datajob.operators.base import Batch
from datajob.operators.inference._engines.base import Answer, Options, Request
from datajob.operators.inference._engines.batching import Backend, Batcher, Limits
from datajob.operators.inference._model import content_key
from datajob.operators.inference.text_generation import TextGeneration
from tests.engine.test_crash import DEADLINE, commits, kill_when, start
from tests.engine.test_ray import session_of
from tests.support.local_jobs import make_job, read_glob, read_manifest, run
from tests.support.models.photos import jpeg

COUNT = 48
ONE_SHARD = 1 << 30


def tar(folder: Path, count: int = COUNT) -> dict[str, Any]:
    """A source of one WebDataset shard, with a caption that stays as it is."""
    folder.mkdir()
    with tarfile.open(folder / "photos.tar", "w") as file:
        for i in range(count):
            for name, data in ((f"{i:04}.jpg", jpeg(i)), (f"{i:04}.txt", f"photo {i}".encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    return {"webdataset": {"paths": [str(folder)]}}


def parquet(folder: Path, count: int = COUNT) -> dict[str, Any]:
    """A source of one Parquet file of one row group."""
    folder.mkdir()
    rows = [{"__key__": f"{i:04}", "jpg": jpeg(i), "txt": f"photo {i}"} for i in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "photos.parquet")
    return {"parquet": {"paths": [str(folder)]}}


SOURCES: Mapping[str, Callable[[Path], dict[str, Any]]] = {"a WebDataset shard": tar, "a Parquet file": parquet}


def job(source: dict[str, Any], out: Path, model: Path, tokens: int = 500) -> DataJob:
    ask = {"llava": {"model": str(model), "image": "jpg", "maxNewTokens": tokens, "actors": {"max": 2}}}
    return make_job(Path(), out, [ask, {"drop": {"columns": ["jpg"]}}], sources=[source])


def kept_rows(out: Path) -> int:
    """Answers of shards that are not committed."""
    found = 0
    with suppress(FileNotFoundError):  # a shard may be committed meanwhile
        for path in (out / "_datajob" / "model-outputs").rglob("*.arrow"):
            with pa.ipc.open_file(str(path)) as reader:
                found += reader.read_all().num_rows
    return found


def last_report(out: Path) -> Report:
    return Report.model_validate_json((out / "_datajob" / "report.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_a_driver_killed_within_its_only_shard_reuses_all_model_outputs(source: str, tiny: Path, tmp_path: Path) -> None:
    chance = random.Random(source)
    read = SOURCES[source](tmp_path / "in")
    work = job(read, tmp_path / "out", tiny)
    kills = 0
    for _ in range(3):
        target = kept_rows(tmp_path / "out") + chance.randint(1, 9)
        process = start(work, tmp_path, shard_bytes=ONE_SHARD)
        kills += kill_when(process, lambda target=target: kept_rows(tmp_path / "out") >= target)
    assert kills, "the run was over before it was killed"
    if commits(tmp_path / "out") == 0:
        found = kept_rows(tmp_path / "out")
        report = run(work, shard_bytes=ONE_SHARD)
        assert report.model_outputs_reused == found
        assert sum(w.rows for w in report.workers) == COUNT - found
    else:  # killed between the commit of the shard and the end of the run
        run(work, shard_bytes=ONE_SHARD)
    run(job(read, tmp_path / "calm", tiny), shard_bytes=ONE_SHARD)
    assert read_manifest(tmp_path / "out") == read_glob(tmp_path / "out") == read_manifest(tmp_path / "calm")
    assert not (tmp_path / "out" / "_datajob" / "model-outputs").exists()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("source", SOURCES)
def test_the_model_outputs_of_a_killed_actor_are_reused_by_the_next(source: str, tiny: Path, tmp_path: Path) -> None:
    read = SOURCES[source](tmp_path / "in")
    process = start(job(read, tmp_path / "out", tiny), tmp_path, executor="ray", shard_bytes=ONE_SHARD)
    wait_until(process, lambda: kept_rows(tmp_path / "out") >= 8)
    os.kill(actors_of(process)[0], signal.SIGKILL)
    assert process.wait(DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    report = last_report(tmp_path / "out")
    assert report.attempt == 1
    if source == "a WebDataset shard":  # the Parquet file is three shards, and one may have been done in time
        assert report.model_outputs_reused >= 8
    run(job(read, tmp_path / "calm", tiny), shard_bytes=ONE_SHARD)
    assert read_manifest(tmp_path / "out") == read_glob(tmp_path / "out") == read_manifest(tmp_path / "calm")


def actors_of(driver: subprocess.Popen[bytes]) -> list[int]:
    """Processes of a driver's session that hold models."""
    found = psutil.process_iter(["pid", "cmdline"])
    actors = [one for one in found if any("_ShardWorker" in part for part in one.info["cmdline"] or ())]
    return [one.pid for one in actors if session_of(one) == driver.pid]


def wait_until(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not ready():
        assert process.poll() is None, "the run is over"
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Gated(Backend):
    """Answers a batch each time that it is let."""

    description = "gated"
    limits = Limits(1000, 4)

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.asked: list[str] = []

    def length(self, request: Request) -> int:
        return 1

    def prepare(self, requests: Any) -> tuple[Any, dict[int, Any]]:
        return None, {}

    def answer(self, requests: Any, inputs: Any) -> list[Answer]:
        assert self.gate.acquire(timeout=DEADLINE)
        self.asked += [r.prompt for r in requests]
        return [Answer(r.prompt.upper(), 1) for r in requests]


def test_outputs_are_stored_while_the_model_processes_the_next_batch(tmp_path: Path) -> None:
    backend = Gated()
    engine = Batcher(backend)
    step = TextGeneration(model="none", prompt="{text}")
    batch = Batch(pa.table({"text": [f"row {i}" for i in range(12)]}))
    answers = ShardModelOutputs(str(tmp_path), "stage", "key")
    thread = threading.Thread(target=step.infer, args=(batch, engine, answers.of("ask")), daemon=True)
    thread.start()
    backend.gate.release()
    deadline = time.monotonic() + DEADLINE
    while (known := ShardModelOutputs(str(tmp_path), "stage", "key").of("ask").known) == {} or len(known) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert known[content_key(Request("row 0", Options()))]["text"] == "ROW 0"
    again = Batcher(other := Gated())
    other.gate.release(2)
    found = step.infer(batch, again, ShardModelOutputs(str(tmp_path), "stage", "key").of("ask"))
    assert found.columns["answer"].to_pylist() == [f"ROW {i}" for i in range(12)]
    assert found.reused == 4 and sorted(other.asked) == sorted(f"row {i}" for i in range(4, 12))
    ShardModelOutputs(str(tmp_path), "stage", "key").forget()
    assert not ShardModelOutputs(str(tmp_path), "stage", "key").of("ask").known
    backend.gate.release(2)
    thread.join(DEADLINE)


def test_vectors_are_stored_exactly(llama: Path, tmp_path: Path) -> None:
    from datajob.operators.base import Device
    from datajob.operators.inference.embed import Embed

    step = Embed(model=str(llama), column="text")
    batch = Batch(pa.table({"text": ["a", "b", None]}))
    engine = step.setup(Device("cpu", 1))
    first = step.infer(batch, engine, ShardModelOutputs(str(tmp_path), "stage", "key").of("embed"))
    second = step.infer(batch, engine, ShardModelOutputs(str(tmp_path), "stage", "key").of("embed"))
    engine.close()
    assert (first.reused, second.reused) == (0, 2)
    assert second.columns["embedding"].to_pylist()[:2] == first.columns["embedding"].to_pylist()[:2]


@pytest.mark.parametrize("other", [b"", b"\x00", "a", ["a"], None])
def test_only_the_same_content_has_the_same_key(other: Any) -> None:
    assert content_key(Request("p", Options(), (b"a", b"b"))) == content_key(
        Request("p", Options(max_new_tokens=9), (b"a", b"b"))
    )
    assert content_key(Request("p", Options(), (b"a", b"b"))) != content_key(Request("p", Options(), (b"ab", other)))
    assert json.dumps(content_key(Request("\ud800", Options(), (other,))))
