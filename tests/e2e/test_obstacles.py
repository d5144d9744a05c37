"""Obstacles that the scheduler, the kubelet or Ray put in the way of a job. All DataJobs are applied at once."""

from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.bare import BareCluster
from hack.cluster.cluster import Cluster
from hack.cluster.product_images import WORKLOAD
from hack.cluster.s3 import ClusterS3
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.node_jobs import NodeJobs
from tests.support.obstacles import Obstacle, Seen, watch

WATCH_SECONDS = 600
VANISHING = "localhost/vanishing:1"
WITH_RAY = 6
"""The number of obstacles at the end of the list that Ray must run for."""
TINY = {"cpu": "10m", "memory": "64Mi"}
HEAD = {"cpu": "200m", "memory": "2Gi"}
CODE = {
    "fast": "blocks = [b'x' * (64 << 20) for _ in range(10_000)]",
    "slow": "blocks = [time.sleep(0.2) or b'x' * (16 << 20) for _ in range(10_000)]",
    "leave": "os._exit(3)",
    "wait": "time.sleep(600)",
    "fill": "open('/tmp/full', 'wb').write(b'x' * (400 << 20)), time.sleep(600)",
}
"""Bodies of functions."""


def calls(function: str, **workers: Any) -> dict[str, Any]:
    """A job that calls a function on every batch."""
    return {
        "steps": [{"mapBatches": {"function": f"code:{function}", "batchSize": 50}}],
        "resources": {"head": HEAD, "workers": {"cpu": "200m", "memory": "1500Mi", "min": 1, "max": 1, **workers}},
    }


def in_head(function: str, **head: Any) -> dict[str, Any]:
    """A job whose driver calls a function."""
    resources = {"head": {**HEAD, **head}, "workers": {"cpu": "10m", "memory": "1Gi"}}
    return {**calls(function), "resources": resources, "runtime": {"env": [{"name": "DATAJOB_EXECUTOR", "value": "local"}]}}


def volume(**source: Any) -> dict[str, Any]:
    """A job with a volume."""
    return {"volumes": [{"name": "extra", **source}], "volumeMounts": [{"name": "extra", "mountPath": "/extra"}]}


OBSTACLES = [
    Obstacle(
        "A missing Secret as environment",
        "CreateContainerConfigError",
        ('secret "nosuch" not found', "Create it"),
        spec={"runtime": {"envFrom": [{"secretRef": {"name": "nosuch"}}]}},
    ),
    Obstacle(
        "A missing Secret as a volume",
        "VolumeUnavailable",
        ('secret "nosuch" not found', "Create it"),
        spec={"runtime": volume(secret={"secretName": "nosuch"})},
    ),
    Obstacle(
        "A missing ConfigMap as a volume",
        "VolumeUnavailable",
        ('configmap "nosuch" not found', "Create it"),
        spec={"runtime": volume(configMap={"name": "nosuch"})},
    ),
    Obstacle(
        "A missing PersistentVolumeClaim",
        "VolumeUnavailable",
        ('persistentvolumeclaim "nosuch" not found', "Create it"),
        spec={"runtime": volume(persistentVolumeClaim={"claimName": "nosuch"})},
    ),
    Obstacle(
        "An image that does not exist",
        "ImagePullFailed",
        ("localhost/nosuch:1", "Correct the name"),
        spec={"runtime": {"image": "localhost/nosuch:1"}},
    ),
    Obstacle(
        "A node selector that no node matches",
        "Unschedulable",
        ("disk=nvme", "Scheduler: "),
        spec={"resources": {"head": {**TINY, "nodeSelector": {"disk": "nvme"}}, "workers": TINY}},
    ),
    Obstacle(
        "Too little CPU",
        "Unschedulable",
        ("900 cpu", "Insufficient cpu"),
        spec={"resources": {"head": {**TINY, "cpu": "900"}, "workers": TINY}},
    ),
    Obstacle(
        "An image without Ray",
        "InvalidImage",
        ("cannot run Ray", "based on the workload image"),
        phase="",
        spec={"runtime": {"image": "localhost/pause:v1"}},
    ),
    Obstacle(
        "An image that an added worker cannot pull",
        "ImagePullFailed",
        (VANISHING, "Correct the name"),
        phase="Running",
        spec={**calls("wait", min=0), "runtime": {"image": VANISHING}},
    ),
    Obstacle(
        "An autoscaler that ended", "AutoscalerFailed", ("exit code 137",), phase="", retried=True, spec=calls("wait", min=0)
    ),
    Obstacle("A function that uses too much memory", "OutOfMemory", ("memory",), phase="", spec=calls("fast")),
    Obstacle("A function that slowly uses too much memory", "OutOfMemory", ("memory",), phase="", spec=calls("slow")),
    Obstacle(
        "A pod that exceeds its scratch space",
        "ScratchExceeded",
        ("exceeds the limit", "Increase spec.resources.head.scratch.size"),
        phase="",
        retried=True,
        spec=in_head("fill", scratch={"size": "200Mi"}),
    ),
    Obstacle("A function that ends its process", "WorkerDied", ("terminates the process",), phase="", spec=calls("leave")),
]
BY_NAME = {one.name: one for one in OBSTACLES}


@pytest.fixture(scope="module")
def seen(api: Api, installed: Cluster, s3_in_cluster: ClusterS3, request: pytest.FixtureRequest) -> Iterator[dict[str, Seen]]:
    """What users see of a DataJob with each obstacle of the selected tests. Those that run Ray follow one by one."""
    if not isinstance(installed, BareCluster):
        pytest.skip("the node of kind does not allow access to its images and containers")
    jobs = NodeJobs(api, api.create_namespace("obstacles"), installed)
    s3_in_cluster.give_secret(jobs.namespace)
    plant_code(jobs)
    found: dict[str, Seen] = {}
    selected = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    waves = [OBSTACLES[:-WITH_RAY], *([one] for one in OBSTACLES[-WITH_RAY:])]
    for number, every in enumerate(waves):
        wave = [one for one in every if one.name in selected]
        names = {one.name: (jobs, f"job-{number}-{index}") for index, one in enumerate(wave)}
        for one in wave:
            api.apply("datajobs", manifest(jobs, names[one.name][1], one.spec))
        for one in wave:
            BEFORE.get(one.name, lambda *_: None)(jobs, names[one.name][1])
        found |= watch(names, WATCH_SECONDS)
        api.delete_all("datajobs", jobs.namespace)
    yield found
    api.delete("namespaces", "", jobs.namespace)


def plant_code(jobs: NodeJobs) -> None:
    """The functions of the jobs, and an image with a second name."""
    body = "".join(f"def {name}(rows):\n    {code}\n\n\n" for name, code in CODE.items())
    meta = {"name": "code", "namespace": jobs.namespace}
    code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"code.py": f"import os, time\n\n\n{body}"}}
    jobs.api.create("configmaps", code)
    jobs.cluster.ctr("images", "tag", "--force", WORKLOAD, VANISHING)


def manifest(jobs: NodeJobs, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A DataJob that reads the documents of the demo and finds the functions."""
    runtime, extra = dict(spec.get("runtime", {})), [{"name": "code", "configMap": {"name": "code"}}]
    runtime["volumes"] = [*extra, *runtime.get("volumes", ())]
    runtime["volumeMounts"] = [{"name": "code", "mountPath": "/opt/code"}, *runtime.get("volumeMounts", ())]
    runtime["envFrom"] = [{"secretRef": {"name": "s3"}}, *runtime.get("envFrom", ())]
    runtime["env"] = [{"name": "PYTHONPATH", "value": "/opt/code"}, *runtime.get("env", ())]
    sink = {"parquet": {"path": f"s3://datasets/{jobs.namespace}/{name}/", "mode": "overwrite"}}
    base = {
        "sources": [{"json": {"paths": ["s3://datasets/docs/"]}}],
        "sink": sink,
        "retry": {"limit": 3, "backoffSeconds": 600},
    }
    return jobs.manifest(name, **base, **{"resources": {"head": TINY, "workers": TINY}, **spec, "runtime": runtime})


def head_container(jobs: NodeJobs, name: str, container: str) -> str:
    """Wait until a container of the head of a job runs, and return its ID."""

    def running() -> str | None:
        for pod in jobs.pods(**{"ray.io/node-type": "head", "datajob.io/name": name}):
            for status in pod["status"].get("containerStatuses", ()):
                if status["name"] == container and "running" in status["state"]:
                    return str(status["containerID"].rpartition("/")[2])
        return None

    return wait_for(running, f"the container {container} of {name}", 300) or ""


def lose_image(jobs: NodeJobs, name: str) -> None:
    """Remove the image of a job from the node when its head runs."""
    head_container(jobs, name, "ray-head")
    head_container(jobs, name, "autoscaler")
    jobs.cluster.ctr("images", "remove", VANISHING)


def stop_autoscaler(jobs: NodeJobs, name: str) -> None:
    """Kill the autoscaler of a job when its driver runs."""
    jobs.wait_running(name)
    jobs.cluster.ctr("tasks", "kill", "--signal", "KILL", head_container(jobs, name, "autoscaler"))


BEFORE = {"An image that an added worker cannot pull": lose_image, "An autoscaler that ended": stop_autoscaler}
"""What happens to a running job."""


@pytest.mark.parametrize("name", BY_NAME)
def test_an_obstacle_is_stated_with_its_fix_and_ends_within_its_limit(seen: dict[str, Seen], name: str) -> None:
    BY_NAME[name].check(seen[name])
