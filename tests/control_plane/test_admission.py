"""The sample of a ValidatingAdmissionPolicy on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, Refused
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ROOT

REGISTRY = "registry.example.com/data"
UNRESTRICTED = "datajob.io/unrestricted"
ANY_IMAGE: dict[str, Any] = {"runtime": {"image": "docker.io/x:1"}}


@pytest.fixture(scope="module", autouse=True)
def policy(api: Api, control_plane: Cluster) -> Iterator[None]:
    """The policy, in force during the tests of this file only."""
    jobs, folder = Jobs(api, api.create_namespace("policy")), str(ROOT / "manifests" / "admission")
    control_plane.apply_kustomization(folder)
    try:
        wait_for(lambda: refusal(jobs, **ANY_IMAGE), "the policy to be in force")
        yield
    finally:
        control_plane.kubectl("delete", "-k", folder)
        wait_for(lambda: not refusal(jobs, **ANY_IMAGE), "the policy to be gone")
        api.delete("namespaces", "", jobs.namespace)


def refusal(jobs: Jobs, **spec: Any) -> str:
    """Why the API server refuses a DataJob, or nothing."""
    try:
        jobs.api.create("datajobs", jobs.manifest("a", **spec), dry_run=True)
    except Refused as refused:
        return refused.message
    return ""


def in_template(group: str = "workers", **spec: Any) -> dict[str, Any]:
    kind = {"type": "gpu"} if group == "accelerator" else {}
    return {"resources": {group: {**kind, "podTemplate": {"spec": spec}}}}


HOST = [{"name": "a", "hostPath": {"path": "/"}}]
FORBIDDEN: dict[str, tuple[dict[str, Any], str]] = {
    "a folder of the node": ({"runtime": {"volumes": HOST}}, "hostPath volumes are not allowed"),
    "a folder of the node for the head": (in_template("head", volumes=HOST), "hostPath volumes are not allowed"),
    "a folder of the node for accelerators": (in_template("accelerator", volumes=HOST), "hostPath volumes are not allowed"),
    "another account": ({"runtime": {"serviceAccountName": "admin"}}, "the ServiceAccount admin is not allowed"),
    "another registry": ({"runtime": {"image": "docker.io/x:1"}}, "the image docker.io/x:1 is not from an allowed registry"),
    "a registry with a similar name": (
        {"runtime": {"image": "registry.example.com.evil/data/x:1"}},
        "is not from an allowed registry",
    ),
    "a sidecar from another registry": (
        in_template(containers=[{"name": "a", "image": "docker.io/x:1"}]),
        "an image in a podTemplate is not from an allowed registry",
    ),
    "an init container from another registry": (
        in_template(initContainers=[{"name": "a", "image": "docker.io/x:1"}]),
        "an image in a podTemplate is not from an allowed registry",
    ),
    "no authentication": ({"runtime": {"env": [{"name": "RAY_AUTH_MODE", "value": "disabled"}]}}, "RAY_AUTH_"),
    "another token": (
        in_template("head", containers=[{"name": "ray-head", "env": [{"name": "RAY_AUTH_TOKEN", "value": "x"}]}]),
        "RAY_AUTH_",
    ),
}
ALLOWED: dict[str, dict[str, Any]] = {
    "the smallest job": {},
    "an image of the registry": {"runtime": {"image": f"{REGISTRY}/x:1", "env": [{"name": "A", "value": "b"}]}},
    "other volumes": {"runtime": {"volumes": [{"name": "a", "emptyDir": {}}]}},
    "a sidecar of the registry": in_template(
        volumes=[{"name": "a", "emptyDir": {}}],
        containers=[{"name": "a", "image": f"{REGISTRY}/x:1", "env": [{"name": "A", "value": "b"}]}, {"name": "ray-worker"}],
    ),
    "groups without a template": {"resources": {"head": {}, "workers": {"max": 2}}},
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_policy_refuses(jobs: Jobs, name: str) -> None:
    change, message = FORBIDDEN[name]
    assert message in refusal(jobs, **change)


@pytest.mark.parametrize("name", ALLOWED)
def test_the_policy_allows(jobs: Jobs, name: str) -> None:
    assert refusal(jobs, **ALLOWED[name]) == ""


def test_accounts_can_be_allowed(jobs: Jobs, control_plane: Cluster) -> None:
    def allow(accounts: str) -> None:
        jobs.api.patch("configmaps", "datajob-system", "datajob-restrictions", {"data": {"serviceAccounts": accounts}})

    allow("loader, reader")
    wait_for(lambda: not refusal(jobs, runtime={"serviceAccountName": "reader"}), "the account to be allowed")
    assert "is not allowed" in refusal(jobs, runtime={"serviceAccountName": "read"})
    allow("")


def test_namespaces_can_be_excluded(jobs: Jobs) -> None:
    jobs.api.patch("namespaces", "", jobs.namespace, {"metadata": {"labels": {UNRESTRICTED: "yes"}}})
    wait_for(lambda: not refusal(jobs, runtime={"image": "docker.io/x:1"}), "the namespace to be excluded")
