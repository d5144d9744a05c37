"""End-to-end tests on a node: the images and the chart of the project, KubeRay, and S3 in the cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.s3 import ClusterS3, deploy_with_documents
from hack.cluster.waiting import wait_for
from tests.support import install
from tests.support.api import Api, connect
from tests.support.node_jobs import NodeJobs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in this folder need a node and more time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def installed(node: Cluster) -> Cluster:
    """A node with the chart installed."""
    install.install(node)
    return node


@pytest.fixture(scope="session")
def s3_in_cluster(installed: Cluster) -> ClusterS3:
    """S3 in the cluster with the documents of the demo."""
    return deploy_with_documents(installed)


@pytest.fixture(scope="session")
def api(installed: Cluster) -> Api:
    """The API server as an administrator."""
    return connect(installed.kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace for one test; its deletion must not hang."""
    name = api.create_namespace("e2e")
    yield name
    api.delete("namespaces", "", name)
    for pod in api.list("pods", name):  # what happens to pods that get their time is for the tests of deletion
        api.delete("pods", name, pod["metadata"]["name"], grace_seconds=1)
    wait_for(lambda: api.get("namespaces", "", name) is None, f"the namespace {name} to go", 300)


@pytest.fixture
def jobs(api: Api, installed: Cluster, s3_in_cluster: ClusterS3, namespace: str) -> NodeJobs:
    """DataJobs in that namespace, which may read and write S3."""
    s3_in_cluster.give_secret(namespace)
    return NodeJobs(api, namespace, installed)
