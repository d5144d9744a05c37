"""The generated CRD on a real API server: accepted, within its cost budget, and of one mind with the models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from datajob.api.crd import crd, crd_yaml
from datajob.api.loading import parse_object, parse_service
from datajob.api.service.crd import service_crd_yaml
from datajob.api.spec import MAX_STEPS
from hack.cluster.cluster import Cluster, KubectlFailed
from hack.cluster.waiting import wait_for
from tests.api.test_service import service as service_named

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    control_plane.apply(crd_yaml())
    control_plane.apply(service_crd_yaml())
    wait_for(lambda: _is_served(control_plane), "the API server to serve DataJobs and ModelServices")
    yield control_plane


def _is_served(cluster: Cluster) -> bool:
    try:
        cluster.kubectl("get", "datajobs,modelservices")
        return "v1alpha1" in cluster.kubectl("get", "--raw", "/openapi/v3/apis/datajob.io/v1alpha1")
    except KubectlFailed:
        return False


def job(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {"name": "a-job", "namespace": "default"},
        "spec": {"sources": [{"parquet": {"paths": ["in"]}}], "sink": {"parquet": {"path": "out"}}} | spec,
    }


def create(cluster: Cluster, value: dict[str, Any]) -> dict[str, Any]:
    """What the API server makes of the object, without keeping it; unknown fields are refused as by `kubectl apply`."""
    answer = cluster.kubectl(
        "create", "--dry-run=server", "--validate=strict", "--output=json", "-f", "-", stdin=yaml.safe_dump(value)
    )
    stored: dict[str, Any] = json.loads(answer)
    return stored


REFUSED = {
    "two operators in a step": ({"steps": [{"limit": {"count": 1}, "sample": {"fraction": 0.5}}]}, "exactly one operator key"),
    "no operator in a step": ({"steps": [{}]}, "exactly one operator key"),
    "an operator without its block": ({"steps": [{"limit": None}]}, "exactly one operator key"),
    "an unknown operator": ({"steps": [{"limmit": {"rows": 1}}]}, "limmit"),
    "an unknown parameter": ({"steps": [{"limit": {"count": 1, "of": 2}}]}, "of"),
    "no sources": ({"sources": []}, "sources"),
    "two writers": ({"sink": {"parquet": {"path": "a"}, "json": {"path": "b"}}}, "exactly one writer key"),
    "a number as text": ({"steps": [{"limit": {"count": "7"}}]}, "count"),
    "a wrong enum": ({"errors": {"policy": "ignore"}}, "policy"),
    "quarantine without a path": ({"errors": {"policy": "quarantine"}}, "is required for policy: quarantine"),
    "a path without quarantine": ({"errors": {"path": "x"}}, "is required for policy: quarantine"),
    "fewer workers at most than at least": ({"resources": {"workers": {"min": 5, "max": 2}}}, "min must not exceed max"),
    "a share above one": ({"errors": {"maxRatio": 1.5}}, "maxRatio"),
    "more workers at least than the default at most": ({"resources": {"workers": {"min": 2}}}, "min must not exceed max"),
    "a memory that is no quantity": ({"resources": {"head": {"memory": "much"}}}, "memory"),
    "too many steps": ({"steps": [{"limit": {"count": 1}}] * (MAX_STEPS + 1)}, "steps"),
}


@pytest.mark.parametrize(("spec", "named"), REFUSED.values(), ids=list(REFUSED))
def test_the_api_server_rejects_what_the_models_reject(cluster: Cluster, spec: dict[str, Any], named: str) -> None:
    with pytest.raises(KubectlFailed, match=named):
        create(cluster, job(**spec))
    assert parse_object(job(**spec))[0] is None


ACCEPTED = {
    "the smallest job": {},
    "null for an absent field": {"queueName": None, "errors": {"policy": "fail", "path": None}},
    "numbers as quantities": {"resources": {"head": {"cpu": 2, "memory": "4Gi"}}},
    "a whole number for a number": {"errors": {"maxRatio": 1}},
    "open blocks": {"runtime": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}},
    "as many steps as there may be": {"steps": [{"limit": {"count": 1}}] * MAX_STEPS},
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=list(ACCEPTED))
def test_the_api_server_accepts_what_the_models_accept_and_stores_it_as_written(cluster: Cluster, spec: dict[str, Any]) -> None:
    written = job(**spec)
    stored = create(cluster, written)
    mine, problems = parse_object(written)
    assert mine is not None, problems
    assert stored["spec"] == without_nulls(written["spec"])


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return value


def test_kubectl_explains_an_operator(cluster: Cluster) -> None:
    said = cluster.kubectl("explain", "datajob.spec.steps.gopherQuality")
    assert "minWords" in said and "stop words" in said
    assert "Default: 50. Range: >= 0." in " ".join(said.split())


def explained(cluster: Cluster, field: str) -> str:
    return " ".join(cluster.kubectl("explain", f"datajob.spec.{field}").split())


def test_kubectl_explains_defaults_and_ranges_in_every_depth(cluster: Cluster) -> None:
    assert "Default: 0.8. Range: > 0, <= 1." in explained(cluster, "steps.minhashDedup.threshold")
    assert "Default: 1. Range: 0 to 10000." in explained(cluster, "resources.workers.min")
    assert "Default: fail." in explained(cluster, "errors.policy")


def test_the_short_name_lists_phase_and_progress(cluster: Cluster) -> None:
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(job()))
    try:
        status = {"status": {"phase": "Running", "progress": {"percent": 42, "rowsOut": 1000}}}
        cluster.kubectl("patch", "dj", "a-job", "--subresource=status", "--type=merge", "--patch", json.dumps(status))
        heads, row = cluster.kubectl("get", "dj").splitlines()
        assert heads.split() == ["NAME", "PHASE", "PROGRESS", "ROWS", "AGE"]
        assert row.split()[:4] == ["a-job", "Running", "42", "1000"]
        assert "a-job" in cluster.kubectl("get", "datajob", "--output=name")
    finally:
        cluster.kubectl("delete", "dj", "a-job")


def test_the_budget_allows_three_times_as_many_operators(cluster: Cluster) -> None:
    """The rules of all steps together must stay within what one CRD may cost."""
    roomy = crd()
    roomy["metadata"]["name"], roomy["spec"]["group"] = "datajobs.room.datajob.io", "room.datajob.io"
    step = roomy["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["steps"]["items"]
    operators = dict(step["properties"])
    for copy in ("Again", "Anew"):
        step["properties"] |= {f"{name}{copy}": schema for name, schema in operators.items()}
    present = ", ".join(f"has(self.{name})" for name in step["properties"])
    step["x-kubernetes-validations"][0]["rule"] = f"[{present}].exists_one(x, x)"
    cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(roomy))


def service(name: str = "qwen", **spec: Any) -> dict[str, Any]:
    made = service_named(name, **spec)
    return {**made, "metadata": {"name": name, "namespace": "default"}}


REFUSED_SERVICES = {
    "two models": {"model": {"embed": {"model": "m"}, "textGeneration": {"model": "m"}}},
    "a prompt": {"model": {"textGeneration": {"model": "m", "prompt": "x"}}},
    "nobody may send requests": {"auth": {}},
    "keys and everyone": {"auth": {"secretName": "keys", "anonymous": True}},
    "fewer replicas at most than at least": {"replicas": {"min": 2}},
    "an unknown update": {"update": "rolling"},
    "an address as a host": {"media": {"allowedHosts": ["[::1]"]}},
    "an address of version 4 as a host": {"media": {"allowedHosts": ["10.0.0.1"]}},
    "a Secret with a space in its name": {"auth": {"secretName": "my keys"}},
}


@pytest.mark.parametrize("spec", REFUSED_SERVICES.values(), ids=list(REFUSED_SERVICES))
def test_the_api_server_rejects_services_that_the_models_reject(cluster: Cluster, spec: dict[str, Any]) -> None:
    with pytest.raises(KubectlFailed):
        create(cluster, service(**spec))
    assert parse_service(service(**spec))[0] is None


@pytest.mark.parametrize("name", ["1b", "a.b", "a" * 48])
def test_the_api_server_rejects_names_that_kuberay_would_reject(cluster: Cluster, name: str) -> None:
    with pytest.raises(KubectlFailed, match="the name must begin with a letter"):
        create(cluster, service(name))


def test_a_service_is_stored_as_written_and_listed_by_its_short_name(cluster: Cluster) -> None:
    assert create(cluster, service())["spec"] == service()["spec"]
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump(service()))
    try:
        status = {"phase": "Available", "readyReplicas": 1, "replicas": 2, "model": {"name": "m"}}
        cluster.kubectl("patch", "ms", "qwen", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        heads, row = cluster.kubectl("get", "ms").splitlines()
        assert heads.split() == ["NAME", "PHASE", "READY", "REPLICAS", "MODEL", "AGE"]
        assert row.split()[:5] == ["qwen", "Available", "1", "2", "m"]
    finally:
        cluster.kubectl("delete", "ms", "qwen")
