"""kustomize and Helm install the same objects, in both scopes."""

import subprocess

import pytest

from hack.cluster.build import binary
from tests.support.rendering import kustomized, templated, without_bookkeeping

pytestmark = pytest.mark.skipif(
    not (binary("helm").exists() and binary("kubectl").exists()), reason="helm and kubectl are not built: make cluster-build"
)


@pytest.mark.parametrize(
    ("folder", "values"),
    [("manifests", ()), ("manifests/namespaced", ("--set", "namespaces={team-a,team-b}"))],
    ids=["the whole cluster", "listed namespaces"],
)
def test_helm_and_kustomize_install_the_same_objects(folder: str, values: tuple[str, ...]) -> None:
    by_kustomize, by_helm = without_bookkeeping(kustomized(folder)), without_bookkeeping(templated(*values))
    assert by_kustomize.keys() == by_helm.keys()
    for key, wanted in by_kustomize.items():
        assert by_helm[key] == wanted, key


def test_selected_namespaces_grant_no_permission_elsewhere() -> None:
    kinds = {kind for kind, _, _ in templated("--set", "namespaces={team-a}")}
    assert "ClusterRoleBinding" not in kinds


def test_settings_reach_the_environment_as_text_or_json() -> None:
    values = ("--set", "settings.log_level=DEBUG", "--set", "settings.run_as_user=2000", "--set-json", 'settings.gpu={"a":1}')
    deployment = templated(*values)[("Deployment", "datajob-system", "datajob-controller")]
    env = {e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["DATAJOB_LOG_LEVEL"] == "DEBUG"
    assert env["DATAJOB_RUN_AS_USER"] == "2000"
    assert env["DATAJOB_GPU"] == '{"a":1}'


@pytest.mark.parametrize(
    "values",
    ["replicas=0", "namespaces={Team_A}", "image.pullPolicy=Sometimes", "unknown=1", "workload.cpu=", "settings.Loud=1"],
)
def test_invalid_values_are_rejected_by_the_schema(values: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        templated("--set", values)
    assert "values don't meet the specifications" in refused.value.stderr


def test_helm_and_kustomize_install_the_same_monitoring() -> None:
    wanted = ("podMonitor", "rules", "dashboard")
    values = [part for name in wanted for part in ("--set", f"monitoring.{name}=true")]
    with_monitoring = without_bookkeeping(templated(*values))
    for key, found in without_bookkeeping(kustomized("manifests/monitoring")).items():
        assert with_monitoring[key] == found, key
