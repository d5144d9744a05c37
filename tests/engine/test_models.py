"""Steps that run models: small shards, rows that fail alone, two actors at work, actors and drivers that die."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.resources import Resources
from datajob.engine.events import Event, Note
from datajob.engine.executors import processes
from datajob.engine.executors.open_shards import shards_at_once
from datajob.engine.executors.placement import place
from datajob.engine.executors.ray_data import RayExecutor
from datajob.engine.executors.streaming import Streaming
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.worker.intake import merge_small
from datajob.errors import InvalidJob, WorkerDied
from datajob.operators.inference.llava import Llava
from tests.engine.test_crash import commits, kill_when, start
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts
from tests.support.models.photos import jpeg, make_photos

FAKE: dict[str, Any] = {"llava": {"engine": "fake", "model": "none", "image": "image", "prompt": "photo", "actors": {"max": 2}}}
COUNT = 40


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", COUNT)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayExecutor]:
    """A Ray with the cores of this machine and one GPU that does not exist. The jobs of these tests run on it."""
    import ray

    ray.init("local", num_gpus=1, include_dashboard=False, log_to_driver=False)
    executor = RayExecutor(preload=False)
    yield executor
    executor.close()
    ray.shutdown()


def job(photos: Path, out: Path, **spec: Any) -> Any:
    steps = [FAKE, {"select": {"columns": ["path", "caption"]}}]
    return make_job(photos, out, steps, sources=[{"images": {"paths": [str(photos)], "includePath": "path"}}], **spec)


def captions(rows: Rows) -> list[tuple[str, str]]:
    return [(Path(r["path"]).name, r["caption"]) for r in rows]


def test_files_are_captioned_in_order_in_small_shards(photos: Path, tmp_path: Path) -> None:
    report = run(job(photos, tmp_path / "out"), shard_bytes=None)
    found = captions(read_manifest(tmp_path / "out"))
    assert [name for name, _ in found] == sorted(p.name for p in photos.iterdir())
    assert len({caption for _, caption in found}) == COUNT
    assert COUNT / 8 <= report.progress.shards_total <= COUNT / 2
    assert [(w.rows, w.models) for w in report.workers] == [(COUNT, ("fake: digests instead of answers",))]


def test_a_broken_image_fails_its_row_only(photos: Path, tmp_path: Path) -> None:
    whole = run_captions(photos, tmp_path / "whole")
    (photos / "photo-0007.jpg").write_bytes(jpeg(7)[:900])
    report = run(
        job(photos, tmp_path / "out", errors={"policy": "quarantine", "path": str(tmp_path / "bad")}), shard_bytes=None
    )
    assert captions(read_manifest(tmp_path / "out")) == [c for c in whole if c[0] != "photo-0007.jpg"]
    assert report.progress.rows_failed == 1
    bad = pq.read_table(tmp_path / "bad").to_pylist()
    assert "the image cannot be decoded: image file is truncated" in bad[0]["_error"]


def run_captions(photos: Path, out: Path) -> list[tuple[str, str]]:
    run(job(photos, out), shard_bytes=None)
    return captions(read_manifest(out))


def test_rows_of_one_parquet_file_are_spread_over_shards(tmp_path: Path) -> None:
    rows = [{"id": i, "image": jpeg(i, (40, 30))} for i in range(70)]
    write_parts(tmp_path / "in", rows, 1)
    steps = [FAKE, {"drop": {"columns": ["image"]}}]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps), shard_bytes=None)
    found = read_manifest(tmp_path / "out")
    assert [r["id"] for r in found] == list(range(70))
    assert report.progress.shards_total == 5


def test_small_tables_are_merged_and_large_ones_are_not() -> None:
    tables = [pa.table({"x": list(range(i, i + n))}) for i, n in ((0, 1), (1, 1), (2, 1000), (1002, 1), (1003, 2))]
    found = list(merge_small(iter(tables), 1000))
    assert [t.num_rows for t in found] == [1002, 3]
    assert pa.concat_tables(found).column("x").to_pylist() == list(range(1005))


GPU = {"type": "gpu", "min": 1, "max": 4, "perWorker": 2}
PLACED: dict[str, tuple[dict[str, Any], dict[str, float], bool, tuple[Any, ...]]] = {
    "a GPU each": ({}, {}, True, ("gpu", 1.0, 0, (2, 8))),
    "two actors on each GPU": ({"actors": {"accelerators": 0.5}}, {}, True, ("gpu", 0.5, 0, (4, 16))),
    "two GPUs for each actor": ({"actors": {"accelerators": 2}}, {}, True, ("gpu", 2.0, 0, (1, 4))),
    "at most three": ({"actors": {"max": 3}}, {}, True, ("gpu", 1.0, 0, (2, 3))),
    "this machine has one GPU": ({}, {"GPU": 1, "CPU": 8}, False, ("gpu", 1.0, 0, (1, 1))),
    "this machine has none": ({"actors": {"max": 2}}, {"CPU": 8}, False, ("cpu", 0.0, 0, (2, 2))),
    "told to take CPUs": ({"device": "cpu", "actors": {"max": 2}}, {"GPU": 1, "CPU": 8}, True, ("cpu", 0.0, 0, (2, 2))),
    "an unknown model gets all cores": ({}, {"CPU": 8}, False, ("cpu", 0.0, 0, (1, 1))),
}


@pytest.mark.parametrize("case", PLACED)
def test_actors_are_placed_according_to_the_step_and_the_hardware(case: str) -> None:
    step, available, promised, expected = PLACED[case]
    resources = Resources.model_validate({"accelerator": GPU})
    fused = FusedSteps((Step("llava", Llava.model_validate(step)),))
    placed = place(fused, resources, available, promised)
    p = placed.pools[0] if placed.pools else placed.workers
    assert p is not None and (p.device.kind, p.num_gpus, len(p.resources), p.size) == expected


def test_ascend_npus_are_requested_as_their_own_resource() -> None:
    resources = Resources.model_validate({"accelerator": {**GPU, "type": "npu"}})
    (p,) = place(FusedSteps((Step("llava", Llava()),)), resources, {}, promised=True).pools
    assert (p.num_gpus, p.resources, p.device.kind, p.size) == (0.0, (("NPU", 1.0),), "npu", (2, 8))


def one_tar(photos: Path, folder: Path) -> dict[str, Any]:
    with tarfile.open(folder / "photos.tar", "w") as file:
        for photo in sorted(photos.iterdir()):
            file.add(photo, photo.name)
    return {"webdataset": {"paths": [str(folder / "photos.tar")]}}


def one_parquet(photos: Path, folder: Path) -> dict[str, Any]:
    rows = [{"jpg": photo.read_bytes(), "path": photo.name} for photo in sorted(photos.iterdir())]
    pq.write_table(pa.Table.from_pylist(rows), folder / "photos.parquet")
    return {"parquet": {"paths": [str(folder / "photos.parquet")]}}


def one_list(photos: Path, folder: Path) -> dict[str, Any]:
    lines = [json.dumps({"jpg": str(photo)}) for photo in sorted(photos.iterdir())]
    (folder / "photos.jsonl").write_text("\n".join(lines))
    return {"json": {"paths": [str(folder / "photos.jsonl")]}}


def folder_of_files(photos: Path, folder: Path) -> dict[str, Any]:
    return {"images": {"paths": [str(photos)], "includePath": "path"}}


SOURCES = {
    "a folder": (folder_of_files, "image"),
    "one WebDataset shard": (one_tar, "jpg"),
    "one Parquet file": (one_parquet, "jpg"),
    "one list of paths": (one_list, "jpg"),
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_two_actors_work_at_the_same_time_and_give_the_rows_of_one_process(source: str, photos: Path, tmp_path: Path) -> None:
    write, column = SOURCES[source]
    sources = [write(photos, tmp_path)]
    meet = {"map": {"function": "tests.support.engine_functions:meet", "params": {"place": str(tmp_path / "met")}}}
    ask = {"llava": {**FAKE["llava"], "image": column}}
    steps = [meet, ask, {"select": {"columns": ["caption"]}}]
    report = run(make_job(photos, tmp_path / "ray", steps, sources=sources), executor="ray", shard_bytes=None)
    run(make_job(photos, tmp_path / "here", steps[1:], sources=sources), shard_bytes=None)
    assert read_manifest(tmp_path / "ray") == read_manifest(tmp_path / "here")
    assert len(report.workers) == 2
    assert sum(w.rows for w in report.workers) == COUNT


@pytest.mark.ray
@pytest.mark.slow
def test_a_dying_actor_loses_no_row(photos: Path, tmp_path: Path) -> None:
    die = {
        "map": {
            "function": "tests.support.engine_functions:die_at",
            "params": {"name": "0011", "marker": str(tmp_path / "died")},
        }
    }
    steps = [die, FAKE, {"select": {"columns": ["path", "caption"]}}]
    sources = [{"images": {"paths": [str(photos)], "includePath": "path"}}]
    run(make_job(photos, tmp_path / "ray", steps, sources=sources), executor="ray", shard_bytes=None)
    assert (tmp_path / "died").exists()
    assert captions(read_manifest(tmp_path / "ray")) == run_captions(photos, tmp_path / "here")


@pytest.mark.ray
@pytest.mark.slow
def test_a_shard_that_ends_its_actor_three_times_ends_the_job_and_the_error_names_its_file(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": i, "image": jpeg(i, (40, 30))} for i in range(20)], 1)
    die = {"map": {"function": "tests.support.engine_functions:die_on_some"}}
    job = make_job(tmp_path / "in", tmp_path / "out", [die, FAKE, {"drop": {"columns": ["image"]}}])
    with pytest.raises(
        WorkerDied, match=r"died 3 times while it processed shard \d+ \(.*in-0000\.parquet\) of stage .*insufficient memory"
    ):
        run(job, executor="ray", shard_bytes=None)


@pytest.mark.slow
def test_a_killed_job_repeats_only_shards_in_progress(photos: Path, tmp_path: Path) -> None:
    work = job(photos, tmp_path / "out")
    killed = kill_when(start(work, tmp_path, shard_bytes=None), lambda: commits(tmp_path / "out") >= 3)
    assert killed, "the run was over before it could be killed"
    done = commits(tmp_path / "out")
    report = run(work, shard_bytes=None)
    assert report.shards_reused >= done - 1
    assert captions(read_manifest(tmp_path / "out")) == run_captions(photos, tmp_path / "here")


TOO_LARGE = {
    "cores": ({"cpus": 200, "max": 1}, "requires 200 CPU, but the largest machine of the cluster has .*`cpus`"),
    "GPUs": ({"accelerators": 2, "max": 1}, "requires 2 GPU, but the largest machine of the cluster has 1.*`accelerators`"),
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("what", TOO_LARGE)
def test_an_actor_too_large_for_every_machine_is_refused_before_any_work(what: str, cluster: RayExecutor) -> None:
    actors, reason = TOO_LARGE[what]
    resources = Resources.model_validate({"accelerator": GPU} if what == "GPUs" else {})
    available = {**cluster.available(), "GPU": 1.0 if what == "GPUs" else 0.0}
    placement = place(FusedSteps((Step("llava", Llava.model_validate({"actors": actors})),)), resources, available)
    with pytest.raises(InvalidJob, match=reason):
        Streaming(placement, ())


@pytest.mark.ray
@pytest.mark.slow
def test_an_actor_that_waits_for_capacity_is_reported_and_starts_once_it_is_available(
    photos: Path, tmp_path: Path, cluster: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(processes, "NOTICE_SECONDS", 1.0)

    @ray.remote(num_cpus=ray.cluster_resources()["CPU"])
    class Occupant:
        def there(self) -> bool:
            return True

    occupant: Any = Occupant.remote()
    assert ray.get(occupant.there.remote())
    notes: list[str] = []

    def leave(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.message)
            ray.kill(occupant)

    report = run(job(photos, tmp_path / "out"), executor="ray", shard_bytes=None, on_event=leave)
    assert report.progress.rows_out == COUNT
    assert "No model process has started" in notes[0] and "Each requires 1 CPU; the cluster has" in notes[0]
    assert "(0 free)" in notes[0]


@pytest.mark.parametrize(
    ("waiting", "actors", "expected"),
    [(100, 2, 3), (5, 2, 3), (4, 2, 2), (3, 2, 2), (2, 2, 1), (1, 2, 1), (1, 64, 1)],
)
def test_the_last_shards_are_spread_over_the_actors(waiting: int, actors: int, expected: int) -> None:
    assert shards_at_once(waiting, actors) == expected
