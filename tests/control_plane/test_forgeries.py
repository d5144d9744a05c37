"""Objects that only carry the labels of a DataJob change nothing on a real API server, in its namespace or in another one."""

from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess
from tests.support.reports import report

RBAC = "rbac.authorization.k8s.io"
VICTIMS = ("serviceaccounts", "roles", "rolebindings", "networkpolicies")


@pytest.fixture
def other(api: Api) -> Iterator[str]:
    """A namespace of another tenant."""
    name = api.create_namespace("other")
    yield name
    api.delete("namespaces", "", name)


def labelled(uid: str, name: str, namespace: str, **labels: str) -> dict[str, Any]:
    known = {"app.kubernetes.io/managed-by": "datajob-controller", "datajob.io/uid": uid}
    return {"name": name, "namespace": namespace, "labels": {**known, **labels}}


def config_map(uid: str, name: str, namespace: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled(uid, name, namespace), "data": data}


def create_victims(api: Api, namespace: str, name: str) -> None:
    meta = {"name": name, "namespace": namespace}
    subject = {"kind": "User", "name": "alice", "apiGroup": RBAC}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    api.create("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    api.create("roles", {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": []})
    binding = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]}
    api.create("rolebindings", binding)
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": {"podSelector": {}}}
    api.create("networkpolicies", policy)


def survivors(api: Api, namespace: str, name: str) -> list[str]:
    return [plural for plural in VICTIMS if api.get(plural, namespace, name)]


@pytest.mark.parametrize("where", ["same", "other"])
def test_a_forged_config_map_deletes_nothing(jobs: Jobs, other: str, where: str, controller: ControllerProcess) -> None:
    namespace = jobs.namespace if where == "same" else other
    jobs.apply(suspend=True)
    jobs.wait_phase("Suspended")
    uid = jobs.get()["metadata"]["uid"]
    # The last name is that of an earlier run of this job, as far as anyone can tell from the name.
    for name in ("default-deny", "clean-0123abcd"):
        create_victims(jobs.api, jobs.namespace, name)
        jobs.api.create("configmaps", config_map(uid, f"{name}-job", namespace))
    jobs.edit(suspend=False)
    jobs.set_running()
    jobs.edit(sink={"parquet": {"path": "s3://lake/other/"}})
    wait_for(lambda: jobs.status().get("observedGeneration") == 3 and "rayJobName" in jobs.status(), "the new run")
    jobs.succeeds()
    for name in ("default-deny", "clean-0123abcd"):
        assert survivors(jobs.api, jobs.namespace, name) == [*VICTIMS]
        assert jobs.api.get("configmaps", namespace, f"{name}-job")
    assert controller.errors(jobs.namespace) == []


def test_a_forged_report_changes_no_status(jobs: Jobs, other: str, controller: ControllerProcess) -> None:
    jobs.apply()
    found = jobs.set_running()
    name = f"{found['metadata']['name'].rpartition('-')[0]}-report"
    output = {"manifest": "s3://evil/manifest.json", "files": 1, "bytes": 1, "rows": 999_999}
    forged = config_map(jobs.get()["metadata"]["uid"], name, other, **{"report.json": report("complete", output=output)})
    jobs.api.create("configmaps", forged)
    jobs.succeeds()
    assert not {"output", "progress"} & jobs.settled().keys()
    assert controller.errors(jobs.namespace) == []


@pytest.mark.parametrize("where", ["same", "other"])
def test_a_forged_head_pod_ends_no_attempt(jobs: Jobs, other: str, where: str, controller: ControllerProcess) -> None:
    namespace = jobs.namespace if where == "same" else other
    jobs.apply()
    found = jobs.set_running()
    cluster = {"ray.io/cluster": f"{found['metadata']['name']}-abcde", "ray.io/node-type": "head", "datajob.io/attempt": "1"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": labelled(jobs.get()["metadata"]["uid"], "fakehead", namespace, **cluster),
        "spec": {"containers": [{"name": "ray-head", "image": "x"}]},
    }
    jobs.api.create("pods", pod)
    jobs.api.delete("pods", namespace, "fakehead", grace_seconds=0)
    status = jobs.settled()
    assert (status["phase"], status["attempt"], status["failures"]) == ("Running", 1, 0)
    jobs.succeeds()
    assert controller.errors(jobs.namespace) == []
