"""The whole thing on a node: the shipped images and chart, KubeRay's operator, S3 in the cluster."""

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import binary
from tests.cluster.cluster import Cluster
from tests.cluster.waiting import wait_for
from tests.control_plane.api import Api, connect
from tests.e2e import images, s3
from tests.e2e.jobs import NodeJobs
from tests.e2e.s3 import ClusterS3

ROOT = Path(__file__).parents[2]
SYSTEM = "datajob-system"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need a node and time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def installed(node: Cluster) -> Cluster:
    """A node with the chart installed as a person would, except for where the images come from."""
    for image in (images.build_controller(), images.build_workload()):
        node.load(image)
    repository, tag = images.CONTROLLER.rsplit(":", 1)
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "image.pullPolicy": "Never",
        "workload.cpu": images.WORKLOAD,
        "workload.gpu": images.WORKLOAD,
        "workload.npu": images.WORKLOAD,
        "workload.pullPolicy": "Never",
        "settings.image_pull_seconds": "30",
        "settings.autoscaler_idle_seconds": "10",
        "resources.requests.cpu": "20m",
    }
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    helm(node, "upgrade", "--install", "datajob", str(ROOT / "helm" / "datajob-operator"), "--create-namespace", *sets)
    node.wait_until_established("datajobs.datajob.io")
    node.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/datajob-controller")
    node.kubectl("-n", SYSTEM, "rollout", "status", "deployment/datajob-controller", "--timeout=180s")
    return node


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run helm on a cluster."""
    command = [str(binary("helm")), *arguments, "--namespace", SYSTEM, "--kubeconfig", str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def s3_in_cluster(installed: Cluster) -> ClusterS3:
    """S3 in the cluster, with the sample's documents in it."""
    server = s3.deploy(installed)
    with server.files() as files, files.open_output_stream(f"{s3.BUCKET}/docs/docs.jsonl.gz", compression=None) as out:
        out.write((ROOT / "manifests" / "samples" / "data" / "docs.jsonl.gz").read_bytes())
    return server


@pytest.fixture(scope="session")
def api(installed: Cluster) -> Api:
    """The API server as an administrator."""
    return connect(installed.kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own; it has to go in time."""
    name = f"e2e-{secrets.token_hex(3)}"
    api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_for(lambda: api.get("serviceaccounts", name, "default"), "the namespace's default account", 30)
    yield name
    api.delete("namespaces", "", name)
    wait_for(lambda: api.get("namespaces", "", name) is None, f"the namespace {name} to go", 120)


@pytest.fixture
def jobs(api: Api, installed: Cluster, s3_in_cluster: ClusterS3, namespace: str) -> NodeJobs:
    """DataJobs in that namespace, which may read and write S3."""
    s3_in_cluster.give_secret(namespace)
    return NodeJobs(api, namespace, installed)
