"""A control plane with the manifests of the project, and controllers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, connect
from tests.support.api_jobs import Jobs
from tests.support.controller_process import NAMESPACE, ROOT, ControllerProcess, account_kubeconfig
from tests.support.gate import Gate, gate_to

Start = Callable[..., ControllerProcess]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in this folder need the control plane."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.control_plane)


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The API server as an administrator, with the CRDs of KubeRay and the manifests of the project."""
    control_plane.install_kuberay_crds()
    control_plane.apply_kustomization(str(ROOT / "manifests"))
    control_plane.wait_until_established("datajobs.datajob.io")
    # There is no node for the Deployment: the tests run the controller as a process.
    control_plane.kubectl("-n", "datajob-system", "delete", "deployment/datajob-controller", "--wait=true")
    return connect(control_plane.kubeconfig)


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace for one test."""
    name = api.create_namespace("test")
    yield name
    api.delete("namespaces", "", name)


@pytest.fixture
def jobs(api: Api, namespace: str) -> Jobs:
    """DataJobs in that namespace."""
    return Jobs(api, namespace)


@pytest.fixture
def gate(api: Api) -> Iterator[Gate]:
    """A gate in front of the API server; controllers of tests that use this fixture connect through it."""
    with gate_to(api.server) as made:
        yield made


@pytest.fixture
def start(api: Api, control_plane: Cluster, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts controllers that watch only the namespace of the test; they are stopped after it."""
    server = f"https://127.0.0.1:{request.getfixturevalue('gate').port}" if "gate" in request.fixturenames else ""
    kubeconfig = account_kubeconfig(api, control_plane.kubeconfig, tmp_path, server)
    # A leader that is not scheduled for some seconds must not lose its Lease.
    env = {"KUBECONFIG": str(kubeconfig), "DATAJOB_LEASE_SECONDS": "60", "DATAJOB_NAMESPACES": namespace}
    started: list[ControllerProcess] = []

    def start_one(module: str = "datajob_controller", **more: str) -> ControllerProcess:
        made = ControllerProcess(tmp_path, f"controller-{len(started)}", {**env, **more}, module)
        started.append(made)
        return made.start()

    yield start_one
    for one in started:
        one.stop()


def replace(controller: ControllerProcess, api: Api, start: Start) -> ControllerProcess:
    """Kill a leader, end its Lease, which would otherwise take a minute, and start the next leader."""
    controller.kill()
    api.delete("leases", NAMESPACE, "datajob-controller")
    other = start()
    wait_for(other.leads, "another controller to lead")
    return other


@pytest.fixture(scope="module")
def controller(api: Api, control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerProcess]:
    """A leading controller that watches the whole cluster, for all tests of a file."""
    folder = tmp_path_factory.mktemp("controller")
    env = {"KUBECONFIG": str(account_kubeconfig(api, control_plane.kubeconfig, folder)), "DATAJOB_LEASE_SECONDS": "60"}
    made = ControllerProcess(folder, "controller", env).start()
    wait_for(made.leads, "the controller to lead", 300)
    yield made
    made.stop()
