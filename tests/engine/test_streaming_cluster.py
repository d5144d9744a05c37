"""Stages with models on accelerators of a cluster that loses machines."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.engine.events import Event, Progressed
from datajob.errors import RowsFailed
from tests.engine.test_streaming import captioned, occupy, stream
from tests.support.local_jobs import Rows, make_job, read_glob, read_manifest, run, write_parts

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
ROWS: Rows = [{"id": i, "text": f"row {i}"} for i in range(1200)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Six machines with a core, and two with a core and four devices."""
    import ray

    folder = tempfile.mkdtemp(prefix="ray")  # elsewhere, `ray.init()` of other processes would connect to this cluster
    cluster = start_machines(folder)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def start_machines(folder: str, attempts: int = 3) -> Any:
    """The cluster. Ray gives a machine 30 seconds, which can be too little while other programs use all cores."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "temp_dir": folder}
    cluster = None
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.cpus = [cluster.add_node(num_cpus=1, wait=False) for _ in range(6)]
        cluster.devices = [cluster.add_node(num_cpus=1, num_gpus=4, wait=False) for _ in range(2)]
        cluster.wait_for_nodes(timeout=120)
    except Exception:
        if cluster is not None:
            cluster.shutdown()
        if attempts == 1:
            raise
        return start_machines(folder, attempts - 1)
    return cluster


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_parts(tmp_path / "in", ROWS, 30)
    return tmp_path / "in"


def test_rows_are_exact_and_in_order_and_every_device_works(cluster: Any, source: Path, tmp_path: Path) -> None:
    report = stream(source, tmp_path, [occupy(tmp_path, milliseconds=5, together=8)])
    assert read_manifest(tmp_path / "out") == captioned(ROWS)
    assert sum(w.rows for w in report.workers) == len(ROWS)
    assert len(report.workers) == 8 and {w.device for w in report.workers} == {"gpu"}


@pytest.mark.parametrize(("dies", "policy"), [(True, "fail"), (False, "drop")], ids=["ends its process", "raises"])
def test_a_machine_on_which_a_step_fails_is_avoided(dies: bool, policy: str, cluster: Any, tmp_path: Path) -> None:
    check_avoided(tmp_path, dies, policy, [occupy(tmp_path)], captioned(ROWS[:400]))


@pytest.mark.parametrize("policy", ["fail", "drop"])
@pytest.mark.parametrize("dies", [True, False], ids=["ends its process", "raises"])
def test_a_machine_on_which_a_task_fails_is_avoided(dies: bool, policy: str, cluster: Any, tmp_path: Path) -> None:
    check_avoided(tmp_path, dies, policy, [], ROWS[:400])


def check_avoided(folder: Path, dies: bool, policy: str, steps: Rows, expected: Rows) -> None:
    """Run a step that fails on the first machine, before `steps`: no row fails."""
    write_parts(folder / "few", ROWS[:400], 10)
    fail = {"custom": {"operator": "tests.support.devices:FailHere", "params": {"place": str(folder), "dies": dies}}}
    report = run(
        make_job(folder / "few", folder / "out", [fail, *steps], errors={"policy": policy}), executor="ray", shard_bytes=1
    )
    assert (folder / "bad").exists()
    assert read_manifest(folder / "out") == expected == read_glob(folder / "out")
    assert (report.progress.rows_out, report.progress.rows_failed) == (400, 0)


@pytest.mark.parametrize("policy", ["fail", "drop"])
def test_a_shard_that_fails_on_every_machine_fails(policy: str, cluster: Any, tmp_path: Path) -> None:
    write_parts(tmp_path / "few", ROWS[:40], 2)
    step = {"map": {"function": "tests.support.engine_functions:fails_below", "params": {"limit": 20}}}
    job = make_job(tmp_path / "few", tmp_path / "out", [step], errors={"policy": policy})
    if policy == "fail":
        with pytest.raises(RowsFailed, match="failed on a row"):
            run(job, executor="ray", shard_bytes=1)
    else:
        report = run(job, executor="ray", shard_bytes=1)
        assert read_manifest(tmp_path / "out") == ROWS[20:40]
        assert report.progress.rows_failed == 20


def test_a_cpu_machine_and_then_a_device_machine_are_lost_midway(cluster: Any, source: Path, tmp_path: Path) -> None:
    victims = [cluster.cpus.pop(), cluster.devices.pop()]
    began = threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Progressed) and event.report.progress.shards_done >= 2:
            began.set()

    def lose() -> None:
        began.wait(400)
        for victim in victims:
            cluster.remove_node(victim, allow_graceful=False)
            time.sleep(0.5)  # the two losses are separate events

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    stream(source, tmp_path, [occupy(tmp_path, milliseconds=25)], on_event=watch)
    thread.join(240)
    assert not thread.is_alive() and began.is_set()
    assert read_manifest(tmp_path / "out") == captioned(ROWS) == read_glob(tmp_path / "out")
