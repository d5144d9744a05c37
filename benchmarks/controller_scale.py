"""The controller with an API server: time from DataJob to RayJob, 500 jobs at once, writes per job, idle requests, memory.

The time is compared with that of the plain async client for creating the same objects in the same run. There are no nodes and
no KubeRay.
"""

import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

from benchmarks.figures import Figure, publish
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.kind import DATAJOB, RAYJOB
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.kube import Kube
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Observed
from hack.cluster import bare
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import TooLate, wait_for
from tests.support.api import BASES, Api, connect
from tests.support.api_jobs import SPEC
from tests.support.controller_process import ROOT, ControllerProcess, account_kubeconfig

JOBS = 500
SINGLE = 40
IDLE_SECONDS = 60.0
FINISHED = 5000
SCRAPES = 40
PROGRESS = {
    "rowsIn": 100,
    "rowsOut": 90,
    "rowsRejected": 10,
    "rowsFailed": 0,
    "shardsDone": 10,
    "shardsTotal": 10,
    "percent": 100,
}
STEPS = [{"name": f"filter-{number}", "seconds": 1.5, "rejected": {"short": 10}} for number in range(15)]
KINDS = ("configmaps", "serviceaccounts", "roles", "rolebindings", "networkpolicies", "rayjobs")
_REQUESTS = re.compile(
    r'datajob_api_request_seconds_count{code="(?P<code>\d+)",kind="(?P<kind>\w+)",verb="(?P<verb>\w+)"} (?P<count>.+)'
)
OWNED = "app.kubernetes.io/managed-by%3Ddatajob-controller"


def main() -> int:
    """Measure and print the results. Every wait has a limit, so the run ends within half an hour."""
    cluster = bare.up("control-plane", tied=True)
    try:
        api = _install(cluster)
        client = asyncio.run(_bare_client(cluster, api))
        with _controller(cluster, api) as controller:
            publish(_latency(api, controller))
            publish(_many(cluster, api, controller, client))
            publish([_idle(controller)])
        asyncio.run(_add_finished(cluster, api))
        with _controller(cluster, api) as controller:
            publish(_scrapes(api, controller))
    finally:
        cluster.remove()
    return 0


def _install(cluster: Cluster) -> Api:
    cluster.install_kuberay_crds()
    cluster.apply_kustomization(str(ROOT / "manifests"))
    cluster.wait_until_established("datajobs.datajob.io")
    cluster.kubectl("-n", "datajob-system", "delete", "deployment/datajob-controller")
    api = connect(cluster.kubeconfig)
    for name in ("bare", "single", "many", "finished"):
        api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return api


@contextmanager
def _controller(cluster: Cluster, api: Api) -> Iterator[ControllerProcess]:
    with tempfile.TemporaryDirectory() as folder:
        env = {"KUBECONFIG": str(account_kubeconfig(api, cluster.kubeconfig, Path(folder)))}
        controller = ControllerProcess(Path(folder), "controller", env).start()
        try:
            wait_for(controller.leads, "the controller to become the leader", 60)
            yield controller
        finally:
            controller.stop()


def _datajob(namespace: str, name: str) -> Manifest:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": meta, "spec": SPEC}


@asynccontextmanager
async def _client(cluster: Cluster) -> AsyncIterator[Kube]:
    configuration = Configuration()
    await load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with Kube(configuration, [DATAJOB, RAYJOB]) as kube:
        yield kube


class Spent(NamedTuple):
    """What some work cost."""

    seconds: float
    cpu: float


async def _bare_client(cluster: Cluster, api: Api) -> Spent:
    """What the client needs to create the objects of 500 DataJobs, 16 at a time like the controller."""
    wanted = []
    for number in range(JOBS):
        owner = _datajob("bare", f"job-{number}")
        owner["metadata"] |= {"uid": f"00000000-0000-4000-8000-{number:012d}", "generation": 1}
        wanted.append(decide(owner, Observed(), datetime.now(UTC), JobSettings()).create)
    async with _client(cluster) as kube:

        async def create(objects: Sequence[Manifest]) -> None:
            for one in objects:
                one["metadata"].pop("ownerReferences")  # no owner references, so the garbage collector does not interfere
                await kube.create(one, tries=8)

        began, cpu = time.monotonic(), time.process_time()
        await _sixteen_at_a_time([create(objects) for objects in wanted])
        spent = Spent(time.monotonic() - began, time.process_time() - cpu)
    api.delete("namespaces", "", "bare")
    wait_for(lambda: api.get("namespaces", "", "bare") is None, "the deletion of the objects", 300, every=1)
    return spent


async def _sixteen_at_a_time(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> None:
    limit = asyncio.Semaphore(16)

    async def limited(coroutine: Coroutine[Any, Any, Any]) -> None:
        async with limit:
            await coroutine

    await asyncio.gather(*map(limited, coroutines))


def _latency(api: Api, controller: ControllerProcess) -> list[Figure]:
    """Time from the response to `apply` to the RayJob, one job at a time."""
    seconds = []
    for number in range(SINGLE):
        name = f"job-{number}"
        began = time.monotonic()
        api.apply("datajobs", _datajob("single", name))
        found = partial(api.list, "rayjobs", "single", f"datajob.io/name%3D{name}")
        wait_for(found, f"the RayJob of {name}", 60, every=0.01)
        seconds.append(time.monotonic() - began)
    _finish(api, controller, "single", SINGLE)
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return [
        Figure("apply to RayJob, one job, median", statistics.median(seconds), "s", goal="<= 0.5"),
        Figure("apply to RayJob, one job, p99", p99, "s", goal="<= 0.5"),
    ]


def _many(cluster: Cluster, api: Api, controller: ControllerProcess, client: Spent) -> list[Figure]:
    """500 DataJobs at once: the time until all owned objects exist, the number of writes, and memory."""
    before, began, cpu = _writes(controller), time.monotonic(), controller.cpu_seconds()
    asyncio.run(_apply_many(cluster))
    for kind in KINDS:
        wait_for(partial(_complete, api, kind), f"all {kind}", 300, every=0.5)
    seconds, cpu = time.monotonic() - began, controller.cpu_seconds() - cpu
    _finish(api, controller, "many", JOBS)
    writes = {what: (count - before.get(what, 0)) / JOBS for what, count in _writes(controller).items()}
    detail = ", ".join(f"{what} {count:.2f}" for what, count in sorted(writes.items()) if count)
    errors, memory = controller.metric("datajob_reconcile_errors_total"), controller.memory() / 1e6
    against, against_cpu = f"plain client: {client.seconds:.1f} s", f"plain client: {client.cpu:.1f} s"
    return [
        Figure(f"{JOBS} DataJobs, all owned objects created", seconds, "s", against, seconds / client.seconds, "ratio <= 2.2"),
        Figure("CPU time of the controller for that", cpu, "s", against_cpu, cpu / client.cpu),
        Figure("API writes per job", sum(writes.values()), "writes", detail, goal="<= 12"),
        Figure("reconcile errors", errors, "errors", goal="0"),
        Figure(f"resident memory, {JOBS} jobs", memory, "MB", goal="<= 200"),
    ]


async def _apply_many(cluster: Cluster) -> None:
    async with _client(cluster) as kube:
        await _sixteen_at_a_time([kube.create(_datajob("many", f"job-{number}")) for number in range(JOBS)])


def _complete(api: Api, kind: str) -> bool:
    """Whether all objects exist. Others in the namespace: the default ServiceAccount and the ConfigMap with the certificate."""
    base = BASES.get(kind, "api/v1")
    listed = api.request("GET", f"{base}/namespaces/many/{kind}?limit=1")
    count = len(listed["items"]) + listed["metadata"].get("remainingItemCount", 0)
    return bool(count >= {"configmaps": 2 * JOBS + 1, "serviceaccounts": JOBS + 1}.get(kind, JOBS))


def _finish(api: Api, controller: ControllerProcess, namespace: str, jobs: int) -> None:
    """Set the RayJobs of a namespace to running and then to succeeded, as KubeRay does."""
    names = [found["metadata"]["name"] for found in api.list("rayjobs", namespace, OWNED)]
    for job, deployment, phase in (("RUNNING", "Running", "Running"), ("SUCCEEDED", "Complete", "Complete")):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(partial(_set_status, api, namespace, job, deployment), names))
        metric = f'datajob_jobs{{namespace="{namespace}",phase="{phase}"}}'
        wait_for(partial(_equals, controller, metric, jobs), f"all jobs to be {phase}", 300, every=0.5)
    wait_for(partial(_equals, controller, "datajob_queue_depth", 0), "the last writes for these jobs", 60)


def _set_status(api: Api, namespace: str, job: str, deployment: str, name: str) -> None:
    status = {"jobStatus": job, "jobDeploymentStatus": deployment}
    api.patch("rayjobs", namespace, name, {"status": status}, "status")


def _equals(controller: ControllerProcess, metric: str, value: float) -> bool:
    return controller.metric(metric) == value


def _idle(controller: ControllerProcess) -> Figure:
    """Requests of a controller while its jobs do not change."""
    wait_for(lambda: controller.metric("datajob_queue_depth") == 0, "the queue to be empty", 60)
    before, began = controller.metric("datajob_api_request_seconds_count"), time.monotonic()
    with suppress(TooLate):
        wait_for(lambda: False, "time", IDLE_SECONDS, every=1)
    rate = (controller.metric("datajob_api_request_seconds_count") - before) / (time.monotonic() - began)
    return Figure("requests of an idle controller, without watches", rate, "1/s", goal="<= 0.5")


async def _add_finished(cluster: Cluster, api: Api) -> None:
    """Add jobs that are complete, with the status of one of those that the controller completed."""
    status = api.get("datajobs", "many", "job-0")["status"]
    digest = status["runId"].rpartition("-")[2]

    async with _client(cluster) as kube:

        async def add(number: int) -> None:
            job = await kube.create(_datajob("finished", f"job-{number}"))
            identity = {key: job["metadata"][key] for key in ("name", "namespace")}
            complete = {**status, "runId": f"{job['metadata']['uid']}-{digest}", "steps": STEPS, "progress": PROGRESS}
            await kube.apply_status({**job, "metadata": identity, "status": complete})

        await _sixteen_at_a_time([add(number) for number in range(FINISHED)])


def _scrapes(api: Api, controller: ControllerProcess) -> list[Figure]:
    """Scrapes with thousands of finished jobs, and the renewals of the Lease meanwhile."""
    jobs = FINISHED + JOBS + SINGLE
    wait_for(lambda: _has_decided(controller, jobs), "the controller to decide about all jobs", 600, every=1)
    seconds, renewals = [], set()
    before, busy = _lease(api), controller.cpu_seconds()
    for _ in range(SCRAPES):
        began = time.monotonic()
        size = len(controller.get("metrics", timeout=60))
        seconds.append(time.monotonic() - began)
        renewals.add(_lease(api)["renewTime"])
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(map(datetime.fromisoformat, renewals)))]
    busy = (controller.cpu_seconds() - busy) / SCRAPES
    after, memory = _lease(api), controller.memory() / 1e6
    lost = after["leaseTransitions"] - before["leaseTransitions"] + (after["holderIdentity"] != before["holderIdentity"])
    return [
        Figure(f"scrape with {jobs} jobs, slowest of {SCRAPES}", max(seconds), "s", f"{size / 1e6:.1f} MB", goal="<= 1"),
        Figure("CPU time of the controller per scrape", busy, "s"),
        Figure("longest time between two renewals of the Lease", max(gaps, default=0.0), "s", goal="<= 13"),
        Figure("lost Leases", lost, "Leases", goal="0"),
        Figure(f"resident memory, {jobs} jobs", memory, "MB"),
    ]


def _has_decided(controller: ControllerProcess, jobs: int) -> bool:
    with suppress(TimeoutError):
        return controller.metric("datajob_jobs") == jobs and controller.metric("datajob_queue_depth") == 0
    return False


def _lease(api: Api) -> Manifest:
    return dict(api.get("leases", "datajob-system", "datajob-controller")["spec"])


def _writes(controller: ControllerProcess) -> dict[str, float]:
    """Successful writes by verb and kind, without Leases."""
    found: dict[str, float] = {}
    for line in controller.get("metrics").splitlines():
        if match := _REQUESTS.match(line):
            verb, kind, count = match["verb"], match["kind"], float(match["count"])
            if verb != "GET" and kind != "Lease" and match["code"].startswith("2"):
                found[f"{verb} {kind}"] = found.get(f"{verb} {kind}", 0) + count
    return found


if __name__ == "__main__":
    sys.exit(main())
