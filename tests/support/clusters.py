"""The clusters as pytest fixtures, one of each kind for a whole test session; take them in with `pytest_plugins`.

Where the machine cannot run one, the tests that want it are skipped and say why. A node of `make cluster-up` is used and
left running; any other is started here and ends with the session, even when that is killed.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import bare, images, kind, packages
from hack.cluster.cluster import Cluster
from hack.cluster.kinds import Kind
from hack.cluster.sandbox import Sandbox, obstacle

# The first test of a session pays for the cluster: on an empty cache every program is built first.
TIMEOUT_SECONDS = 3600
TESTS = Path(__file__).parents[1]
_STARTED_HERE = ("control_plane", "node", "ray_image")
_FOLDERS = (TESTS / "cluster", TESTS / "install")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests of clusters, which run in one process, and give them enough time for the start of one."""
    of_clusters = bool(set(getattr(item, "fixturenames", ())).intersection(_STARTED_HERE))
    if of_clusters and not item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
    if of_clusters or item.path.parent in _FOLDERS:
        item.add_marker(pytest.mark.clusters)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """An API server with RBAC on and controllers, but without nodes."""
    if not sys.platform.startswith("linux"):
        pytest.skip("a control plane runs on Linux only")
    yield from started("control-plane")


@pytest.fixture(scope="session")
def node() -> Iterator[Cluster]:
    """A whole cluster, on which pods run and KubeRay's operator is at work."""
    if kind.usable():
        yield from _kind()
    elif not sys.platform.startswith("linux"):
        pytest.skip("without Docker and kind, a node runs on Linux only")
    elif os.geteuid() != 0:
        pytest.skip("without Docker and kind, a node needs root")
    elif why := obstacle():
        pytest.skip(f"without Docker and kind, a node needs namespaces and control groups: {why}")
    elif Sandbox("node").alive():
        yield bare.up("node", tied=False)
    else:
        yield from started("node")


@pytest.fixture(scope="session")
def ray_image(node: Cluster) -> str:
    """An image with Ray and nothing of the product, present on the node."""
    image = images.build_ray()
    node.load(image)
    return image


def started(wanted: Kind) -> Iterator[Cluster]:
    """A new cluster that ends with the session, or earlier with the fixture that starts it."""
    try:
        cluster = bare.up(wanted, tied=True)
    except packages.MissingPackages as error:
        pytest.skip(str(error))
    try:
        yield cluster
    finally:
        cluster.remove()


def _kind() -> Iterator[Cluster]:
    ran_before = kind.runs()
    cluster = kind.up()
    try:
        yield cluster
    finally:
        if not ran_before:
            cluster.remove()
