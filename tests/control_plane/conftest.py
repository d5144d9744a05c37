"""A control plane with what the project installs, and controllers on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, connect
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ROOT, ControllerProcess, account_kubeconfig
from tests.support.gate import Gate, gate_to

Start = Callable[..., ControllerProcess]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder need the control plane."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.control_plane)


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The API server as an administrator, with KubeRay's types and all of ours."""
    control_plane.install_kuberay_crds()
    control_plane.apply_kustomization(str(ROOT / "manifests"))
    control_plane.wait_until_established("datajobs.datajob.io")
    # There is no node for the Deployment: the tests run the controller themselves.
    control_plane.kubectl("-n", "datajob-system", "delete", "deployment/datajob-controller", "--wait=true")
    return connect(control_plane.kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own."""
    name = api.create_namespace("test")
    yield name
    api.delete("namespaces", "", name)


@pytest.fixture
def jobs(api: Api, namespace: str) -> Jobs:
    """DataJobs in that namespace."""
    return Jobs(api, namespace)


@pytest.fixture
def gate(api: Api) -> Iterator[Gate]:
    """A gate before the API server; whoever asks for it gets controllers behind it."""
    with gate_to(api.server) as made:
        yield made


@pytest.fixture
def start(api: Api, control_plane: Cluster, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts controllers that serve the test's namespace only; they end with the test."""
    server = f"https://127.0.0.1:{request.getfixturevalue('gate').port}" if "gate" in request.fixturenames else ""
    kubeconfig = account_kubeconfig(api, control_plane.kubeconfig, tmp_path, server)
    # In a namespace of its own each test may have a leader of its own.
    env = {"KUBECONFIG": str(kubeconfig), "DATAJOB_LEASE_SECONDS": "6", "DATAJOB_NAMESPACES": namespace}
    started: list[ControllerProcess] = []

    def start_one(module: str = "datajob_controller", **more: str) -> ControllerProcess:
        made = ControllerProcess(tmp_path, f"controller-{len(started)}", {**env, **more}, module)
        started.append(made)
        return made.start()

    yield start_one
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def controller(api: Api, control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerProcess]:
    """A controller that leads and serves the whole cluster, for all tests of a file."""
    folder = tmp_path_factory.mktemp("controller")
    env = {"KUBECONFIG": str(account_kubeconfig(api, control_plane.kubeconfig, folder)), "DATAJOB_LEASE_SECONDS": "6"}
    made = ControllerProcess(folder, "controller", env).start()
    wait_for(made.leads, "the controller to lead", 60)
    yield made
    made.stop()
