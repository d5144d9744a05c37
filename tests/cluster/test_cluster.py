"""The test clusters are real: they enforce RBAC, run pods and Ray jobs, and nothing remains when they are removed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import bare
from hack.cluster.bare import BareCluster
from hack.cluster.build import binary, build, kuberay_config
from hack.cluster.cluster import Cluster, KubectlFailed
from hack.cluster.leftovers import Traces
from hack.cluster.sandbox import ROOT, Sandbox, remove_dead
from hack.cluster.versions import KUBERNETES
from hack.cluster.waiting import wait_for

SMOKE = ROOT / "hack" / "cluster" / "manifests" / "smoke-rayjob.yaml"

NODE_STARTER = """
import sys
from hack.cluster import bare
print(bare.up("node", tied=True).sandbox.name, flush=True)
sys.stdin.read()
"""


@pytest.mark.control_plane
def test_the_api_server_has_the_pinned_version(control_plane: Cluster) -> None:
    version = json.loads(control_plane.kubectl("version", "--output=json"))
    assert version["serverVersion"]["gitVersion"] == f"v{KUBERNETES}"


@pytest.mark.control_plane
def test_a_service_account_may_do_only_what_a_role_allows(control_plane: Cluster) -> None:
    control_plane.kubectl("create", "namespace", "rbac")
    control_plane.kubectl("create", "serviceaccount", "reader", "--namespace=rbac")
    reader = control_plane.as_service_account("rbac", "reader")

    def may(resource: str) -> bool:
        try:
            return bool(reader.kubectl("get", resource, "--namespace=rbac", "--output=name"))
        except KubectlFailed as refused:
            assert "forbidden" in str(refused)
            return False

    assert not may("configmaps")
    control_plane.kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps", "--namespace=rbac")
    grant = ["--role=reader", "--serviceaccount=rbac:reader", "--namespace=rbac"]
    control_plane.kubectl("create", "rolebinding", "reader", *grant)
    wait_for(lambda: may("configmaps"), "the role")
    assert not may("secrets")


@pytest.mark.control_plane
def test_controllers_run_in_the_control_plane(control_plane: Cluster) -> None:
    control_plane.kubectl("create", "namespace", "controllers")
    control_plane.kubectl("create", "deployment", "web", "--image=none", "--replicas=2", "--namespace=controllers")

    def pods() -> list[str]:
        return control_plane.kubectl("get", "pods", "--namespace=controllers", "--output=name").split()

    wait_for(lambda: len(pods()) == 2, "two pods")
    control_plane.kubectl("delete", "deployment", "web", "--namespace=controllers")
    wait_for(lambda: pods() == [], "the garbage collector")


@pytest.mark.control_plane
def test_the_control_plane_accepts_and_validates_kuberay_objects(control_plane: Cluster) -> None:
    control_plane.install_kuberay_crds()
    control_plane.apply(SMOKE.read_text())
    assert control_plane.kubectl("get", "rayjobs", "--output=name").split() == ["rayjob.ray.io/smoke"]
    with pytest.raises(KubectlFailed, match=r"spec\.backoffLimit"):
        control_plane.kubectl("patch", "rayjob", "smoke", "--type=merge", '--patch={"spec": {"backoffLimit": "many"}}')
    control_plane.kubectl("delete", "rayjob", "smoke")


@pytest.mark.control_plane
def test_two_control_planes_run_side_by_side(control_plane: Cluster) -> None:
    control_plane.kubectl("create", "namespace", "only-in-the-first")
    second = bare.up("control-plane", tied=True)
    try:
        assert "only-in-the-first" not in second.kubectl("get", "namespaces", "--output=name")
    finally:
        second.remove()
    assert control_plane.answers()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache without runs: what happens in it does not meet a cluster that a person has started."""
    build()
    own = tmp_path / "datajob" / "cluster"
    own.mkdir(parents=True)
    for shared in (binary("etcd").parents[1], kuberay_config()):
        (own / shared.name).symlink_to(shared)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield own
    for run in bare.running():
        run.remove()


@pytest.mark.control_plane
@pytest.mark.root
def test_down_removes_a_cluster_whose_start_was_killed(own_cache: Path) -> None:
    up = subprocess.Popen([sys.executable, "-m", "hack.cluster", "up", "--kind=control-plane"], cwd=ROOT)
    run = Sandbox("control-plane")
    wait_for(run.init, "the first process of the run")
    up.kill()
    up.wait()
    traces = Traces.of(run)
    assert run.alive()
    down = [sys.executable, "-m", "hack.cluster", "down", "--kind=control-plane"]
    ended = subprocess.run(down, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "stopped: control-plane\n")
    assert traces.left() == []


@pytest.mark.control_plane
@pytest.mark.root
def test_up_completes_a_start_that_was_killed(own_cache: Path) -> None:
    up = [sys.executable, "-m", "hack.cluster", "up", "--kind=control-plane"]
    first = subprocess.Popen(up, cwd=ROOT)
    run = Sandbox("control-plane")
    wait_for(run.init, "the first process of the run")
    first.kill()
    first.wait()
    again = subprocess.run(up, cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout.splitlines()[-1] == str(run.folder / "kubeconfig")
    assert bare.handle(run).answers()


@pytest.mark.e2e
def test_the_node_is_ready_and_advertises_accelerators(node: Cluster) -> None:
    nodes = json.loads(node.kubectl("get", "nodes", "--output=json"))["items"]
    offered: dict[str, str] = {}
    for item in nodes:
        ready = next(c for c in item["status"]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True"
        offered |= item["status"]["allocatable"]
    assert offered["nvidia.com/gpu"] == offered["huawei.com/Ascend910"] == "8"


@pytest.mark.e2e
def test_a_ray_job_finishes_on_the_node(node: Cluster, ray_image: str) -> None:
    assert f"image: {ray_image}" in SMOKE.read_text()
    node.apply(SMOKE.read_text())
    succeeded = "--for=jsonpath={.status.jobStatus}=SUCCEEDED"
    node.kubectl("wait", succeeded, "rayjob/smoke", "--timeout=300s", seconds=310)
    node.kubectl("wait", "--for=condition=Complete", "job/smoke", "--timeout=280s")
    assert "rows 1000" in node.kubectl("logs", "job/smoke")
    node.kubectl("delete", "rayjob", "smoke", "--timeout=280s")


@pytest.mark.e2e
@pytest.mark.root
def test_nothing_remains_of_a_node_whose_parent_is_killed(node: Cluster) -> None:
    """A second node beside the first, with pods, killed while it runs."""
    if not isinstance(node, BareCluster):
        pytest.skip("kind's nodes are Docker's to clear away")
    command = [sys.executable, "-c", NODE_STARTER]
    starter = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    run = Sandbox(starter.stdout.readline().strip())
    traces = Traces.of(run)
    assert any("coredns" in line for line in traces.left())
    starter.kill()
    starter.communicate()
    wait_for(lambda: not run.alive(), "the end of the second node")
    assert run.name in remove_dead()
    assert traces.left() == []
    assert node.answers()
