"""Stages with models on accelerators: exact rows whatever dies or is slow, and never a deadlock."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.api.report import Report
from datajob.engine.events import Event, Progressed
from datajob.engine.executors.model_actors import ModelActors
from datajob.engine.executors.open_shards import OpenShards
from datajob.errors import DataJobError, InvalidJob, WorkerDied
from tests.engine.test_crash import DEADLINE, commits, kill_when, start
from tests.engine.test_ray import end_session
from tests.support.endpoint_server import endpoint_server, rejecting
from tests.support.local_jobs import Rows, make_job, read_glob, read_manifest, run, write_parts
from tests.support.s3 import S3Server
from tests.support.slow_relay import slow_relay

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
ROWS: Rows = [{"id": i, "text": f"row {i}"} for i in range(600)]
SHARDS = 15


@pytest.fixture(scope="module")
def devices() -> Iterator[None]:
    """A Ray with two cores and two devices that do not exist."""
    import ray

    ray.init("local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, SHARDS)
    return tmp_path / "in"


def occupy(place: Path, **params: Any) -> dict[str, Any]:
    return {"custom": {"operator": "tests.support.devices:Occupy", "params": {"place": str(place), **params}}}


def captioned(rows: Rows = ROWS) -> Rows:
    return [{**row, "caption": f"caption {row['id']}"} for row in rows]


def stream(source: Path, tmp_path: Path, steps: list[dict[str, Any]], **options: Any) -> Any:
    job = make_job(source, tmp_path / "out", steps)
    return run(job, executor="ray", **options)


def test_a_model_process_that_dies_with_rows_of_several_shards_loses_none(devices: None, source: Path, tmp_path: Path) -> None:
    stream(source, tmp_path, [occupy(tmp_path, milliseconds=5, die_once_at=300)])
    assert (tmp_path / "died").exists()
    assert read_manifest(tmp_path / "out") == captioned()


@pytest.mark.parametrize("what", ["pieces", "replies", "the task"])
def test_what_is_lost_on_its_way_is_sent_again(
    what: str, devices: None, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose(what, monkeypatch)
    report = stream(source, tmp_path, [occupy(tmp_path)])
    assert lost and read_manifest(tmp_path / "out") == captioned()
    assert report.progress.rows_failed == 0


def lose(what: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let some references be those of objects whose owner died. Returns what they replaced."""
    lost: list[Any] = []
    dead = dead_reference()

    def replaced(reference: Any) -> Any:
        if len(lost) == 3:
            return reference
        lost.append(reference)
        return dead

    hand_out, answered, begin = ModelActors.hand_out, OpenShards.answered, OpenShards.begin

    def hand_out_lost(self: ModelActors) -> None:
        for piece in list(self.queue)[:1]:
            piece.reference = replaced(piece.reference)
        hand_out(self)

    def begin_lost(self: OpenShards, *args: Any) -> None:
        begin(self, *args)
        self._reference = replaced(self._reference)

    if what == "pieces":
        monkeypatch.setattr(ModelActors, "hand_out", hand_out_lost)
    elif what == "replies":
        monkeypatch.setattr(OpenShards, "answered", lambda self, piece, reply: answered(self, piece, replaced(reply)))
    else:
        monkeypatch.setattr(OpenShards, "begin", begin_lost)
    return lost


def dead_reference() -> Any:
    """A reference to an object whose owner died."""
    import ray

    class Owner:
        def put(self) -> list[Any]:
            return [ray.put("lost")]

    owner: Any = ray.remote(Owner).options(num_cpus=0).remote()
    (reference,) = ray.get(owner.put.remote())
    ray.kill(owner)
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:  # until Ray has noticed
        try:
            ray.get(reference)
        except ray.exceptions.ObjectLostError:
            return reference
    raise AssertionError("the owner did not die")


def test_a_row_that_ends_every_model_process_ends_the_run_and_the_error_names_its_file(
    devices: None, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(WorkerDied, match=r"model process died 3 times while it processed shard \d+ \(.*in-0012"):
        stream(source, tmp_path, [occupy(tmp_path, die_at=500)])


def test_a_device_that_is_lost_is_replaced(devices: None, source: Path, tmp_path: Path) -> None:
    stream(source, tmp_path, [occupy(tmp_path, milliseconds=5, lost_after=2)])
    assert (tmp_path / "lost").exists()
    assert read_manifest(tmp_path / "out") == captioned()


def test_a_device_that_fails_in_every_process_gets_no_more_work(devices: None, source: Path, tmp_path: Path) -> None:
    stream(source, tmp_path, [occupy(tmp_path, milliseconds=5, broken=True)])
    assert (tmp_path / "broken").exists()
    assert read_manifest(tmp_path / "out") == captioned()


def test_a_model_that_always_raises_ends_the_run_with_its_error(devices: None, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataJobError, match='KeyError: \'Field "id" does not exist'):
        stream(source, tmp_path, [{"drop": {"columns": ["id"]}}, occupy(tmp_path)])


def test_a_model_that_cannot_be_loaded_makes_the_job_invalid(devices: None, source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"^the model does not exist$"):
        stream(source, tmp_path, [occupy(tmp_path, missing=True)])


def test_a_slow_model_is_the_bottleneck(devices: None, source: Path, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def watch(event: Event) -> None:
        if isinstance(event, Progressed):
            seen.append(event.report.progress.bottleneck)

    report = stream(source, tmp_path, [occupy(tmp_path, milliseconds=20)], on_event=watch)
    workers, model = report.pools
    assert model.busy > workers.busy and "custom" in seen and report.progress.bottleneck is None


def test_a_step_that_makes_a_thousand_rows_of_one(devices: None, source: Path, tmp_path: Path) -> None:
    many = {"flatMap": {"function": "tests.support.engine_functions:a_thousand"}}
    write_parts(tmp_path / "few", ROWS[:20], 4)
    report = stream(tmp_path / "few", tmp_path, [many, occupy(tmp_path, milliseconds=0.02)])
    assert report.progress.rows_out == 20_000
    expected = [{**row, "copy": copy, "caption": f"caption {row['id']}"} for row in ROWS[:20] for copy in range(1000)]
    assert read_manifest(tmp_path / "out") == expected


def test_a_slow_step_after_the_model_does_not_let_rows_pile_up(devices: None, source: Path, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def watch(event: Event) -> None:
        if isinstance(event, Progressed):
            seen.append(event.report.progress.bottleneck)

    slow = {"map": {"function": "tests.support.engine_functions:slowly", "params": {"seconds": 0.01}}}
    report = stream(source, tmp_path, [occupy(tmp_path), slow], on_event=watch)
    assert read_manifest(tmp_path / "out") == captioned()
    workers, model = report.pools
    assert workers.busy > model.busy and "cpu" in seen


def test_rows_are_prepared_on_the_workers_as_soon_as_the_model_has_answered(devices: None, tmp_path: Path) -> None:
    rows = [{"id": i, "text": f"row {i}"} for i in range(4000)]  # many more than are sent before the first answer
    write_parts(tmp_path / "in", rows, 50)
    stream(tmp_path / "in", tmp_path, [occupy(tmp_path, prepares=True)])
    assert read_manifest(tmp_path / "out") == captioned(rows)
    prepared = [line.split() for file in tmp_path.glob("prepared-*.log") for line in file.read_text().splitlines()]
    received = [line.split() for file in tmp_path.glob("received-*.log") for line in file.read_text().splitlines()]
    assert not {pid for pid, *_ in prepared} & {pid for pid, *_ in received}
    assert sum(int(count) for _, _, count in received) == len(rows)
    assert 0 < sum(int(ready) for _, ready, _ in received) == sum(int(count) for _, count, *_ in prepared)


def test_two_models_share_the_devices_and_a_filter_saves_the_time_of_the_second(
    devices: None, source: Path, tmp_path: Path
) -> None:
    first, second = occupy(tmp_path), occupy(tmp_path, output="answer", share=0.5, milliseconds=5)
    report = stream(source, tmp_path, [first, {"filter": {"where": "id % 4 = 0"}}, second])
    assert read_manifest(tmp_path / "out") == [
        {**row, "answer": f"answer {row['id']}"} for row in captioned() if row["id"] % 4 == 0
    ]
    assert sum(w.rows for w in report.workers) == len(ROWS) + len(ROWS) // 4
    assert [(pool.name, pool.rows) for pool in report.pools[1:]] == [("custom", len(ROWS)), ("custom-2", len(ROWS) // 4)]


def test_a_driver_that_is_killed_resumes_and_reuses_model_outputs(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 2}')
    job = make_job(source, tmp_path / "out", [occupy(tmp_path, milliseconds=20)])
    process = start(job, tmp_path, executor="ray", shard_bytes=2000)
    outputs, records = (tmp_path / "out" / "_datajob" / name for name in ("model-outputs", "commits"))

    def open_shards() -> set[str]:
        """Shards that are not committed and have stored outputs."""
        stored = {os.path.basename(folder) for folder, _, files in os.walk(outputs) if files}
        return stored - {name.removesuffix(".json") for _, _, names in os.walk(records) for name in names}

    began = kill_when(process, lambda: commits(tmp_path / "out") >= 3 and bool(open_shards()))
    assert began, (tmp_path / "log").read_text()[-2000:]
    end_session(process)
    done, left = commits(tmp_path / "out"), open_shards()  # a shard may have been committed meanwhile
    assert start(job, tmp_path, executor="ray", shard_bytes=2000).wait(DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    report = Report.model_validate_json((tmp_path / "out" / "_datajob" / "report.json").read_text())
    assert read_manifest(tmp_path / "out") == captioned() == read_glob(tmp_path / "out")
    assert report.attempt == 2 and report.shards_reused >= done and (report.model_outputs_reused > 0 or not left)
    assert not outputs.exists()


def test_more_rows_than_the_object_store_holds_pass_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 2}')
    write_parts(tmp_path / "in", ROWS[:24], 12)
    large = {"map": {"function": "tests.support.engine_functions:forty_megabytes"}}
    steps = [large, occupy(tmp_path, milliseconds=50), {"drop": {"columns": ["data"]}}]
    job = make_job(tmp_path / "in", tmp_path / "out", steps)
    assert start(job, tmp_path, executor="ray").wait(DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    assert read_manifest(tmp_path / "out") == captioned(ROWS[:24])


@pytest.mark.s3
def test_a_slow_sink_costs_no_rows(bucket: str, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path / "in", ROWS[:160], 4)
    host, port = s3_server.environment["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 2}')
    with slow_relay(host, int(port), seconds=0.05) as slow:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{slow}")
        job = make_job(tmp_path / "in", tmp_path / "out", [occupy(tmp_path)], sink={"parquet": {"path": f"{bucket}/out"}})
        process = start(job, tmp_path, executor="ray", shard_bytes=2000)
        assert process.wait(2 * DEADLINE) == 0, (tmp_path / "log").read_text()[-2000:]
    out = s3_server.folder / bucket.removeprefix("s3://") / "out"
    assert read_manifest(out) == captioned(ROWS[:160]) == read_glob(out)


@pytest.mark.parametrize("second_model", [False, True], ids=["a step without a model", "another model"])
def test_a_run_that_resumes_after_the_stage_of_its_model_uses_all_cores(
    second_model: bool, devices: None, source: Path, tmp_path: Path
) -> None:
    late = {"map": {"function": "tests.support.engine_functions:fail_without", "params": {"marker": str(tmp_path / "fixed")}}}
    steps = [occupy(tmp_path), {"shuffle": {"seed": 1}}, late]
    if second_model:
        steps.append(occupy(tmp_path, output="answer"))
    with pytest.raises(DataJobError, match="not fixed"):
        stream(source, tmp_path, steps)
    (tmp_path / "fixed").touch()
    report = stream(source, tmp_path, steps)
    found = sorted(read_manifest(tmp_path / "out"), key=lambda row: row["id"])
    assert found == [{**row, "answer": f"answer {row['id']}"} if second_model else row for row in captioned()]
    assert report.shards_reused > 0
    assert [pool.name for pool in report.pools[1:]] == (["custom-2"] if second_model else [])


def test_one_process_sends_the_requests_of_all_workers_to_an_endpoint(devices: None, source: Path, tmp_path: Path) -> None:
    with endpoint_server() as server:
        server.refuse = rejecting(0.2, seed=3)
        server.seconds = 0.02
        endpoint = {"url": server.url, "concurrency": 6, "price": {"output": 1e6}}
        report = stream(source, tmp_path, [{"textGeneration": {"endpoint": endpoint, "prompt": "{text}"}}])
    assert read_manifest(tmp_path / "out") == [{**row, "answer": f"answer to {row['text']}"} for row in ROWS]
    assert set(server.answered.values()) == {1} and server.most <= 6
    (used,) = report.endpoints
    assert used.requests == len(server.calls) > 600 and used.cost == 1200
    assert [pool.name for pool in report.pools] == ["cpu", "textGeneration"]
