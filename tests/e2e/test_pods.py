"""The placement of pods on tainted nodes, and their temporary storage: volumes and spilled objects."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.s3 import ClusterS3
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.controller_process import ROOT
from tests.support.node_jobs import SMALL, NodeJobs
from tests.support.probe import CONTAINER

TAINT = "e2e-dedicated"
TOLERATION = {"key": TAINT, "operator": "Exists"}
RUNTIME_CLASS = "e2e-runc"
PRIORITY_CLASS = "e2e-batch"
STORAGE_CLASS = "e2e-scratch"
FOLDER = "/var/lib/e2e-scratch"

SPILL = """
from pathlib import Path

def spill(row):
    import numpy as np
    import ray

    block = np.ones(50_000_000, dtype=np.uint8)
    kept = [ray.put(block) for _ in range(20)]  # more than the object store holds
    files = [path for path in Path("/tmp/ray").rglob("*") if "spilled" in str(path) and path.is_file()]
    return {"kept": len(kept), "spilled": sum(path.stat().st_size for path in files)}
"""
ONE_ROW: dict[str, Any] = {"limit": {"count": 1}}
ON_WORKERS = {"name": "DATAJOB_EXECUTOR", "value": "ray"}


@pytest.fixture
def tainted(installed: Cluster) -> Iterator[None]:
    """Every node has a taint, and the cluster has a RuntimeClass and a PriorityClass."""
    meta = {"name": RUNTIME_CLASS}
    installed.apply(json.dumps({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": meta, "handler": "runc"}))
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": PRIORITY_CLASS}, "value": 7}
    installed.apply(json.dumps(priority))
    installed.kubectl("taint", "nodes", "--all", "--overwrite", f"{TAINT}=yes:NoSchedule")
    yield
    installed.kubectl("taint", "nodes", "--all", f"{TAINT}-")
    installed.kubectl("delete", "runtimeclass", RUNTIME_CLASS)
    installed.kubectl("delete", "priorityclass", PRIORITY_CLASS)


@pytest.mark.usefixtures("tainted")
def test_a_job_runs_where_all_nodes_are_tainted_if_all_its_pods_tolerate_it(jobs: NodeJobs) -> None:
    group = {
        "tolerations": [TOLERATION],
        "runtimeClassName": RUNTIME_CLASS,
        "priorityClassName": PRIORITY_CLASS,
        "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname"}],
        "labels": {"team": "a"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    jobs.sample("clean-docs-s3.yaml", resources={**SMALL, "workers": {**SMALL["workers"], "tolerations": [TOLERATION]}})
    waiting = jobs.wait_condition("Reconciling", "Unschedulable", "clean-docs", seconds=300)
    assert "the group head" in waiting["message"] and "taint" in waiting["message"]
    jobs.edit("clean-docs", resources={name: {**SMALL[name], **group} for name in ("head", "workers")})
    wait_for(lambda: len(_scheduled(jobs)) == 2, "both pods to be scheduled", 600)
    for pod in _scheduled(jobs):
        spec, meta = pod["spec"], pod["metadata"]
        assert (spec["runtimeClassName"], spec["priorityClassName"], spec["priority"]) == (RUNTIME_CLASS, PRIORITY_CLASS, 7)
        assert meta["labels"]["team"] == "a" and meta["annotations"].items() >= group["annotations"].items()
        (spread,) = spec["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"].items() <= meta["labels"].items()
    status = jobs.wait_end("clean-docs")
    assert (status["phase"], status["failures"]) == ("Complete", 0), jobs.describe()


@pytest.fixture
def volumes(api: Api, installed: Cluster, namespace: str) -> Iterator[None]:
    """Two volumes of a storage class, and one for a claim, that pods of any user can write to."""
    _run_as_root(installed, namespace, "mkdir -p /scratch/a /scratch/b /scratch/c && chmod 777 /scratch/*")
    for name in ("a", "b", "c"):
        spec = {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS if name != "c" else f"{STORAGE_CLASS}-claim",
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"{FOLDER}/{name}"},
        }
        meta = {"name": f"{namespace}-{name}"}
        installed.apply(json.dumps({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec}))
    yield
    installed.kubectl("delete", "pv", *(f"{namespace}-{name}" for name in ("a", "b", "c")), "--wait=false")


@pytest.mark.usefixtures("volumes")
def test_ray_spills_to_a_volume_of_the_storage_class(jobs: NodeJobs, installed: Cluster, s3_in_cluster: ClusterS3) -> None:
    scratch = {"scratch": {"size": "1Gi", "storageClassName": STORAGE_CLASS}, "sharedMemory": "512Mi"}
    resources = {name: {**SMALL[name], **scratch} for name in ("head", "workers")}
    jobs.with_code("spill", SPILL, [ON_WORKERS], steps=[ONE_ROW, {"map": {"function": "functions:spill"}}], resources=resources)
    status = jobs.wait_end("spill")
    assert status["phase"] == "Complete", jobs.describe()
    (row,) = _rows(s3_in_cluster, jobs.namespace)
    assert row["kept"] == 20 and row["spilled"] > 100_000_000
    wait_for(lambda: not jobs.pods(), "the pods to go", 300)
    wait_for(lambda: not jobs.api.list("persistentvolumeclaims", jobs.namespace), "the claims to go")
    found = _run_as_root(installed, jobs.namespace, "ls -d /scratch/[ab]/ray/session_*/ray_spilled_objects*")
    assert found.strip()


@pytest.mark.usefixtures("volumes")
def test_each_pod_uses_a_folder_of_a_claim(jobs: NodeJobs, installed: Cluster) -> None:
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": f"{STORAGE_CLASS}-claim",
        "volumeName": f"{jobs.namespace}-c",
    }
    spec = {**claim, "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": "scratch", "namespace": jobs.namespace}
    installed.apply(json.dumps({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}))
    scratch = {"scratch": {"claimName": "scratch"}}
    workers = {**SMALL["workers"], **scratch, "max": 2}  # with the autoscaler, the head has a second mount
    jobs.slow(seconds_per_batch=0.05, resources={"head": {**SMALL["head"], **scratch}, "workers": workers})
    jobs.wait_running()
    assert _rules_of_kuberay(jobs) == documented_rules()
    names = {pod["metadata"]["name"] for pod in jobs.pods()}
    status = jobs.wait_end("slow")
    assert (status["phase"], status["failures"]) == ("Complete", 0), jobs.describe()
    found = _run_as_root(installed, jobs.namespace, "cd /scratch/c && ls -d */ray/session_*/logs")
    assert names <= {line.split("/")[0] for line in found.split()}


def documented_rules() -> dict[str, list[str]]:
    """The table in docs/placement.md: the verbs of each resource that KubeRay grants a job with autoscaling."""
    page = (ROOT / "docs" / "placement.md").read_text()
    table = page.split("| Resource | Verbs |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()]
    return {resource.strip(" `"): verbs.strip().split(", ") for resource, verbs in rows}


def _rules_of_kuberay(jobs: NodeJobs) -> dict[str, list[str]]:
    (role,) = [one for one in jobs.api.list("roles", jobs.namespace) if "ray.io/cluster" in one["metadata"]["labels"]]
    return {resource: rule["verbs"] for rule in role["rules"] for resource in rule["resources"]}


def _scheduled(jobs: NodeJobs) -> list[dict[str, Any]]:
    return [pod for pod in jobs.pods(team="a") if pod["spec"].get("nodeName")]


def _rows(s3: ClusterS3, folder: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with s3.files() as files:
        return list(pq.read_table(f"datasets/{folder}/", filesystem=files).to_pylist())


def _run_as_root(cluster: Cluster, namespace: str, script: str) -> str:
    """The output of a shell script that sees the folder of the volumes on the node."""
    container = {
        **CONTAINER,
        "command": ["sh", "-c", script],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    volume = {"name": "scratch", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}}
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
    meta = {"name": "root", "namespace": namespace}
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))
    try:
        cluster.kubectl("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/root", "--timeout=300s")
        return cluster.kubectl("-n", namespace, "logs", "root")
    finally:
        cluster.kubectl("-n", namespace, "delete", "pod", "root", "--grace-period=1")
