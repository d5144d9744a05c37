"""The contenders of `benchmarks.streaming`, each in a separate process: `python -m benchmarks.streaming_contenders JSON`.

`engine` runs a DataJob with the package that is on the path; `rayData` is the same work as a Ray Data pipeline, as a user
would write it. Both start Ray with devices that do not exist.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BATCH = 16
OBJECT_STORE = {"engine": 256 << 20, "rayData": 2 << 30}
"""Bytes. The engine starts Ray with this much by itself; Ray Data reserves memory for each operator and gets more."""


@contextmanager
def object_store_peak(found: dict[str, Any]) -> Iterator[None]:
    """Sample the bytes in the object store, and put the maximum into `found`."""
    stop = threading.Event()

    def sample() -> None:
        import ray
        from ray._private import internal_api

        api: Any = internal_api
        while not stop.wait(0.5):
            state = api.get_state_from_address(ray.get_runtime_context().gcs_address)
            used = api.get_memory_info_reply(state).store_stats.object_store_bytes_used
            found["objectStore"] = max(found.get("objectStore", 0), used)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def engine(o: dict[str, Any]) -> None:
    """The work as a DataJob."""
    from datajob.api.datajob import DataJob
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions

    before = {"operator": "benchmarks.streaming_steps:Burn", "params": {"milliseconds": o["cpu"], "log": o["log"]}}
    model = {"operator": "benchmarks.streaming_steps:Occupy", "params": {"milliseconds": o["device"], "log": o["log"]}}
    spec = {
        "sources": [{"parquet": {"paths": [o["input"]]}}],
        "steps": [{"custom": before}, {"custom": model}, {"drop": {"columns": ["data"]}}],
        "sink": {"parquet": {"path": o["output"]}},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "streaming"}, "spec": spec}
    run_job(DataJob.model_validate(job), RunOptions(executor="ray", fresh=True, python_path=(str(Path.cwd()),)))


def ray_data(o: dict[str, Any]) -> None:
    """The work as a Ray Data pipeline."""
    import ray.data

    from benchmarks.streaming_steps import SimulatedDevice, burn

    def prepare(batch: Any) -> Any:
        burn(o["cpu"] * len(batch["id"]), o["log"])
        return batch

    class Caption:
        def __init__(self) -> None:
            self.device = SimulatedDevice(o["log"], o["device"])

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            self.device.occupy(len(batch["id"]))
            return {"id": batch["id"], "caption": [f"row {i}" for i in batch["id"]]}

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.read_parquet(o["input"]).map_batches(prepare, batch_size=BATCH)
    actors = ray.data.ActorPoolStrategy(size=o["devices"])
    rows.map_batches(Caption, batch_size=BATCH, num_gpus=1, num_cpus=0, compute=actors).write_parquet(o["output"])


def start_ray(o: dict[str, Any]) -> None:
    """Start a Ray with devices that do not exist."""
    import logging

    import ray

    ray.init(
        "local",
        num_gpus=o["devices"],
        num_cpus=o["cores"],
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE[o["contender"]],
    )


@contextmanager
def cluster(devices: int) -> Iterator[None]:
    """A cluster of six machines with a core, and two with a core and half of the devices each."""
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for gpus in (0, 0, 0, 0, 0, 0, devices // 2, devices // 2):
        made.add_node(num_cpus=1, num_gpus=gpus, wait=False, object_store_memory=OBJECT_STORE["engine"])
    made.wait_for_nodes(timeout=120)
    ray.init(address=made.address, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
        made.shutdown()  # type: ignore[no-untyped-call]


def main() -> None:
    """Run a contender and print what it measured as JSON."""
    o = json.loads(sys.argv[1])
    found: dict[str, Any] = {"started": time.time()}
    if o["contender"] == "cluster":
        with cluster(o["devices"]):
            engine(o)
    else:
        start_ray(o)
        with object_store_peak(found):
            {"engine": engine, "rayData": ray_data}[o["contender"]](o)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
