"""The real scheduler and the real Ray autoscaler: simulated accelerators, and workers that are added and removed."""

from typing import Any

import pytest

from hack.cluster.waiting import wait_for
from tests.support.node_jobs import DOCUMENTS, SMALL, NodeJobs

TINY = {"cpu": "100m", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("accelerator", "resource", "labels"),
    [
        (
            {"type": "gpu", "product": "NVIDIA-H100-80GB-HBM3", "perWorker": 2},
            {"nvidia.com/gpu": "2"},
            {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
        ),
        (
            {"type": "npu", "product": "huawei-Ascend910", "perWorker": 8, "nodeSelector": {"host-arch": "huawei-arm"}},
            {"huawei.com/Ascend910": "8"},
            {"accelerator": "huawei-Ascend910", "host-arch": "huawei-arm"},
        ),
    ],
    ids=["gpu", "npu"],
)
def test_an_accelerator_group_is_scheduled_on_nodes_with_accelerators(
    jobs: NodeJobs, accelerator: dict[str, Any], resource: dict[str, str], labels: dict[str, str]
) -> None:
    jobs.slow(resources={**SMALL, "accelerator": {**accelerator, **TINY}})
    group = {"ray.io/group": "accelerator"}
    wait_for(lambda: [pod for pod in jobs.pods(**group) if pod["spec"].get("nodeName")], "the pod to be placed", 300)
    (pod,) = jobs.pods(**group)
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert {name: limits[name] for name in resource} == resource
    node = jobs.api.request("GET", f"api/v1/nodes/{pod['spec']['nodeName']}")
    assert labels.items() <= node["metadata"]["labels"].items()
    (worker,) = jobs.pods(**{"ray.io/group": "workers"})
    assert not set(resource) & set(worker["spec"]["containers"][0]["resources"]["limits"])


@pytest.mark.parametrize(
    ("accelerator", "named"),
    [
        ({"type": "gpu", "product": "NVIDIA-Z9000"}, "nvidia.com/gpu.product=NVIDIA-Z9000"),
        ({"type": "gpu", "resource": "nvidia.com/mig-1g.5gb"}, "nvidia.com/mig-1g.5gb"),
        ({"type": "npu", "product": "huawei-Ascend910", "perWorker": 64}, "64 huawei.com/Ascend910"),
    ],
    ids=["label", "resource", "count"],
)
def test_a_missing_resource_is_named(jobs: NodeJobs, accelerator: dict[str, Any], named: str) -> None:
    jobs.slow(resources={**SMALL, "accelerator": {**accelerator, **TINY}})
    said = jobs.wait_condition("Reconciling", "Unschedulable", "slow", seconds=300)
    assert named in said["message"]
    assert "nodes are available" in said["message"]


def test_the_ray_autoscaler_adds_and_removes_workers(jobs: NodeJobs) -> None:
    workers = {"min": 0, "max": 1, "cpu": "600m", "memory": "2Gi"}
    jobs.slow(seconds_per_batch=0.1, resources={**SMALL, "workers": workers})
    group = {"ray.io/group": "workers"}
    wait_for(lambda: jobs.pods(**group), "the autoscaler to bring a worker", 600)
    status = jobs.wait_end("slow")
    assert status["phase"] == "Complete", jobs.describe()
    assert status["output"]["rows"] == DOCUMENTS
