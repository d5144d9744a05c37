"""Namespaces: a listed one that cannot be watched affects only itself, and a selector follows labels."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.api.crd import UNOBSERVED
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import SECONDS, wait_for
from tests.support.api import Api, Refused
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess, account_kubeconfig
from tests.support.gate import Gate

Start = Callable[..., ControllerProcess]
ROLE = "datajob-system:datajob-controller"


@pytest.fixture
def other(api: Api) -> Iterator[str]:
    """A second namespace."""
    name = api.create_namespace("other")
    yield name
    api.delete("namespaces", "", name)


@pytest.fixture
def home(api: Api) -> Iterator[str]:
    """The namespace of a controller that has no permissions elsewhere."""
    name = api.create_namespace("home")
    meta = {"name": "own", "namespace": name}
    rules = [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    api.create("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    api.create("roles", {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules})
    api.create("rolebindings", binding(name, name, {"kind": "Role", "name": "own"}))
    yield name
    api.delete("namespaces", "", name)


def binding(namespace: str, home: str, role: dict[str, str] | None = None) -> dict[str, Any]:
    """A RoleBinding for the account of that controller."""
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "own", "namespace": namespace},
        "roleRef": {"apiGroup": rbac, **(role or {"kind": "ClusterRole", "name": ROLE})},
        "subjects": [{"kind": "ServiceAccount", "name": "own", "namespace": home}],
    }


@pytest.fixture
def limited(api: Api, control_plane: Cluster, home: str, gate: Gate, start: Start, tmp_path: Path) -> Start:
    """Starts a controller with that account, which connects through the gate."""
    server = f"https://127.0.0.1:{gate.port}"
    kubeconfig = account_kubeconfig(api, control_plane.kubeconfig, tmp_path, server, (home, "own"))

    def start_one(*namespaces: str) -> ControllerProcess:
        env = {"KUBECONFIG": str(kubeconfig), "DATAJOB_NAMESPACES": ",".join(namespaces), "DATAJOB_POD_NAMESPACE": home}
        return start(**env)

    return start_one


def watched(controller: ControllerProcess, namespace: str) -> float:
    """The metric of a namespace."""
    return controller.metric(f'datajob_namespace_watched{{namespace="{namespace}"}}')


def test_namespaces_without_permission_or_that_do_not_exist_affect_only_themselves(
    api: Api, jobs: Jobs, other: str, home: str, limited: Start
) -> None:
    api.create("rolebindings", binding(jobs.namespace, home))
    controller = limited(jobs.namespace, other, "missing")
    jobs.apply()
    elsewhere = Jobs(api, other)
    elsewhere.apply()
    jobs.set_running()
    assert [watched(controller, one) for one in (jobs.namespace, other, "missing")] == [1, 0, 0]
    messages: dict[str, str] = {}

    def both_are_reported() -> bool:
        found = [e["message"] for e in api.list("events", home) if e["reason"] == "NamespaceNotWatched"]
        messages.update((message.split()[2], message) for message in found)
        return messages.keys() == {other, "missing"}

    wait_for(both_are_reported, lambda: f"an Event for each namespace: {messages}")
    assert "no permission to list datajobs" in messages[other]
    assert elsewhere.status() == UNOBSERVED

    api.create("rolebindings", binding(other, home))
    elsewhere.ray_job(seconds=SECONDS)
    assert [watched(controller, one) for one in (jobs.namespace, other, "missing")] == [1, 1, 0]
    wait_for(lambda: "NamespaceWatched" in [e["reason"] for e in api.list("events", home)], "the Event about it")
    jobs.succeeds()


@pytest.mark.slow
def test_a_namespace_whose_permission_is_revoked_is_forgotten_and_the_others_continue(
    api: Api, jobs: Jobs, other: str, home: str, limited: Start, gate: Gate
) -> None:
    elsewhere = Jobs(api, other)
    for one in (jobs, elsewhere):
        api.create("rolebindings", binding(one.namespace, home))
    controller = limited(jobs.namespace, other)
    for one in (jobs, elsewhere):
        one.apply()
        one.set_running()
    before = controller.metric("datajob_watch_restarts_total")
    api.delete("rolebindings", other, "own")
    account = api.as_account(home, "own")
    wait_for(lambda: is_refused(account, other), "the revocation to be in force")
    gate.shut()
    gate.open()
    wait_for(lambda: watched(controller, other) == 0, "the namespace to be left out")
    assert controller.ready()
    jobs.succeeds()
    assert f'namespace="{other}",phase' not in controller.get("metrics")
    assert controller.metric("datajob_watch_restarts_total") == before + 1

    elsewhere.edit(retry={"limit": 1})
    api.create("rolebindings", binding(other, home))
    wait_for(lambda: watched(controller, other) == 1, "the namespace to be watched again", SECONDS)
    elsewhere.succeeds()
    controller.stop()
    assert "is no longer the leader" not in controller.log.read_text()
    assert api.get("leases", home, "datajob-controller")["spec"].get("holderIdentity", "") == ""


def test_a_controller_without_any_watchable_namespace_waits_and_stops_on_request(
    api: Api, jobs: Jobs, home: str, limited: Start
) -> None:
    controller = limited(jobs.namespace)
    wait_for(lambda: "is not watched" in controller.log.read_text(), "the refusal", SECONDS)
    assert controller.live() and not controller.ready()
    api.create("rolebindings", binding(jobs.namespace, home))
    wait_for(controller.leads, "the watches", SECONDS)
    jobs.apply()
    jobs.ray_job()
    controller.stop()
    assert "is the leader" in controller.log.read_text()
    lease = api.get("leases", home, "datajob-controller")
    assert lease["spec"].get("holderIdentity", "") == ""


def is_refused(account: Api, namespace: str) -> bool:
    """Whether an account may not list the DataJobs of a namespace."""
    try:
        account.list("datajobs", namespace)
    except Refused as refused:
        return refused.code == 403
    return False


def label(api: Api, namespace: str, value: str | None) -> None:
    """Set or remove the label that the controller selects."""
    api.patch("namespaces", "", namespace, {"metadata": {"labels": {"datajobs": value}}})


def test_a_selector_follows_the_labels_of_namespaces(
    api: Api, control_plane: Cluster, jobs: Jobs, other: str, start: Start, request: pytest.FixtureRequest
) -> None:
    label(api, jobs.namespace, "enabled")
    controller = start(DATAJOB_NAMESPACES="", DATAJOB_NAMESPACE_SELECTOR="datajobs=enabled")
    wait_for(lambda: "cannot list the namespaces" in controller.log.read_text(), "the missing permission", SECONDS)
    request.addfinalizer(lambda: control_plane.kubectl("delete", "clusterrole,clusterrolebinding", "namespaces"))
    control_plane.kubectl("create", "clusterrole", "namespaces", "--verb=list", "--resource=namespaces")
    subject = "--serviceaccount=datajob-system:datajob-controller"
    control_plane.kubectl("create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", subject)
    elsewhere = Jobs(api, other)
    jobs.apply()
    elsewhere.apply()
    jobs.ray_job(seconds=SECONDS)
    assert elsewhere.status() == UNOBSERVED
    assert f'datajob_jobs{{namespace="{other}"' not in controller.get("metrics")

    label(api, other, "enabled")
    elsewhere.ray_job(seconds=SECONDS)
    wait_for(lambda: f'datajob_jobs{{namespace="{other}"' in controller.get("metrics"), "its metrics")

    label(api, jobs.namespace, None)
    wait_for(
        lambda: f'datajob_namespace_watched{{namespace="{jobs.namespace}"}}' not in controller.get("metrics"),
        "the change",
        SECONDS,
    )
    jobs.edit(suspend=True)
    elsewhere.edit(suspend=True)
    elsewhere.wait_phase("Suspended")
    assert jobs.status()["phase"] == "Starting"

    label(api, jobs.namespace, "enabled")
    jobs.wait_phase("Suspended", seconds=SECONDS)


@pytest.mark.parametrize("whole_cluster", [False, True])
def test_two_controllers_never_serve_the_same_namespace(
    api: Api, jobs: Jobs, home: str, start: Start, limited: Start, whole_cluster: bool
) -> None:
    first = start(**({"DATAJOB_NAMESPACES": ""} if whole_cluster else {}))
    wait_for(first.leads, "the first controller to lead", SECONDS)
    jobs.apply()
    jobs.set_running()
    api.create("rolebindings", binding(jobs.namespace, home))
    second = limited(jobs.namespace)
    wait_for(second.leads, "the second controller to lead", SECONDS)
    wait_for(lambda: "controller datajob-system/datajob-controller serves" in second.log.read_text(), "the refusal", SECONDS)
    assert watched(second, jobs.namespace) == 0
    wait_for(lambda: api.list("events", home), "the Event about the refusal")
    assert [e["reason"] for e in api.list("events", home)] == ["NamespaceNotClaimed"]
    jobs.apply("other")
    jobs.ray_job(name="other")
    assert f'namespace="{jobs.namespace}",phase' not in second.get("metrics")
    assert 'kind="RayJob",verb="POST"' not in second.get("metrics")

    first.stop()
    api.delete("leases", jobs.namespace, "datajob-namespace")
    jobs.edit(suspend=True)
    jobs.wait_phase("Suspended", seconds=SECONDS)
    assert f'namespace="{jobs.namespace}",phase' in second.get("metrics")
    assert api.get("leases", jobs.namespace, "datajob-namespace")["spec"]["holderIdentity"] == f"{home}/datajob-controller"
