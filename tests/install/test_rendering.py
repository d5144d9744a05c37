"""kustomize and Helm install the same objects, in both scopes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob import __version__
from datajob.api.checks import check
from datajob.api.loading import parse_object
from datajob_controller.__main__ import read_settings
from datajob_controller.datajob.settings import JobSettings
from hack.cluster.build import binary
from tests.support.rendering import CHART, ROOT, kustomized, templated, without_bookkeeping

MONITORING = ("podMonitor", "rules", "dashboard")

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


def test_listed_namespaces_grant_no_permission_elsewhere() -> None:
    kinds = {kind for kind, _, _ in templated("--set", "namespaces={team-a}")}
    assert "ClusterRoleBinding" not in kinds


def deployment(*arguments: str) -> dict[str, Any]:
    """The Deployment."""
    return templated(*arguments)[("Deployment", "datajob-system", "datajob-controller")]


def env(*arguments: str) -> dict[str, str | None]:
    """The environment of the controller."""
    (container,) = deployment(*arguments)["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value") for one in container["env"]}


SETTINGS = {
    "log_level": "DEBUG",
    "run_as_user": 2000,
    "max_backoff_seconds": 1_000_000,
    "network_policy": False,
    "kuberay_labels": {"app": "ray"},
    "gpu": {"resource": "amd.com/gpu", "product_label": "amd.com/gpu.product-name", "ray_resource": "GPU"},
}


@pytest.mark.parametrize("as_file", [True, False], ids=["values file", "--set-json"])
def test_settings_reach_the_process_as_they_were_written(as_file: bool, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"settings": SETTINGS}))
    written = ("--values", str(tmp_path / "values.yaml")) if as_file else ("--set-json", f"settings={json.dumps(SETTINGS)}")
    found = {name: value for name, value in env(*written).items() if value is not None}
    settings, _ = read_settings(found)
    jobs = JobSettings.from_env(found)
    assert settings.log_level == "DEBUG"
    assert {
        name: getattr(jobs, name) for name in ("run_as_user", "max_backoff_seconds", "network_policy", "kuberay_labels")
    } == {name: value for name, value in SETTINGS.items() if name not in ("log_level", "gpu")}
    assert jobs.gpu.resource == "amd.com/gpu"


@pytest.mark.parametrize("values", [(), ("--set", "namespaces={team-a}"), ("--set", "namespaceSelector=datajobs=enabled")])
def test_the_process_accepts_the_environment_of_the_chart(values: tuple[str, ...]) -> None:
    assert read_settings({name: value for name, value in env(*values).items() if value is not None})


def test_on_openshift_the_cluster_chooses_the_user_ids() -> None:
    values = ("--values", str(CHART / "values-openshift.yaml"))
    pod = deployment(*values)["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    found = {name: value for name, value in env(*values).items() if value is not None}
    assert JobSettings.from_env(found).run_as_user is None


def test_the_labels_of_the_prometheus_operator_and_the_interval_can_be_set() -> None:
    values = "monitoring.podMonitor=true,monitoring.rules=true,monitoring.labels.release=kps,monitoring.interval=15s"
    found = templated("--set", values, "--set", "namespaces={team-a}")
    monitors = [one for (kind, _, _), one in found.items() if kind == "PodMonitor"]
    rules = [one for (kind, _, _), one in found.items() if kind == "PrometheusRule"]
    assert [one["metadata"]["labels"]["release"] for one in (*monitors, *rules)] == ["kps"] * 4
    assert {endpoint["interval"] for one in monitors for endpoint in one["spec"]["podMetricsEndpoints"]} == {"15s"}
    ray = found[("PodMonitor", "datajob-system", "datajob-ray")]
    assert ray["spec"]["namespaceSelector"] == {"matchNames": ["team-a"]}


def test_two_releases_share_no_object_of_the_cluster() -> None:
    def cluster_wide(*arguments: str) -> set[tuple[str, str, str]]:
        return {key for key in templated(*arguments, "--set", "crd.install=false") if not key[1]}

    first = cluster_wide("--set", "namespaces={team-a}")
    assert first
    assert not first & cluster_wide("--set", "namespaces={team-b},fullnameOverride=other")
    assert not first & cluster_wide("--set", "namespaces={team-b}", "--namespace", "other")


def test_every_object_has_the_recommended_labels() -> None:
    wanted = {"name", "instance", "version", "component", "part-of", "managed-by"}
    values = [part for name in MONITORING for part in ("--set", f"monitoring.{name}=true")]
    for key, found in templated(*values).items():
        if key[0] not in ("CustomResourceDefinition", "Pod"):
            assert {f"app.kubernetes.io/{name}" for name in wanted} <= found["metadata"]["labels"].keys(), key


@pytest.mark.parametrize(
    "values",
    [
        "replicas=0",
        "namespaces={Team_A}",
        "image.pullPolicy=Sometimes",
        "image.digest=sha256:abc",
        "unknown=1",
        "workload.cpu=",
        "settings.Loud=1",
        "settings.kuberay_lables.a=b",
        "settings.run_as_user=root",
        "settings.reconcilers=0",
        "settings.http_port=9090",
        "settings.gpu.resource=x",
        "podDisruptionBudget.maxUnavailable=0",
        "commonLabels.app\\.kubernetes\\.io/name=x",
        "monitoring.interval=often",
        "serviceAccount.anotations.a=b",
    ],
)
def test_invalid_values_are_rejected_by_the_schema(values: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        templated("--set", values)
    assert "values don't meet the specifications" in refused.value.stderr


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("namespaces={a},namespaceSelector=b", "either namespaces or namespaceSelector"),
        ("serviceAccount.create=false", "serviceAccount.name is required"),
    ],
)
def test_values_that_exclude_each_other_are_rejected(values: str, message: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        templated("--set", values)
    assert message in refused.value.stderr


def test_the_readme_of_the_chart_describes_every_value() -> None:
    text = (CHART / "README.md").read_text()
    for name in yaml.safe_load((CHART / "values.yaml").read_text()):
        assert f"`{name}" in text, name


def test_the_chart_has_no_warning_and_no_symbolic_link() -> None:
    linted = subprocess.run([str(binary("helm")), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert (linted.returncode, linted.stderr) == (0, "")
    assert "[WARNING]" not in linted.stdout and "[INFO]" not in linted.stdout
    assert not [path for path in CHART.rglob("*") if path.is_symlink()]


def test_versions_and_images_of_the_metadata_are_those_of_the_values() -> None:
    chart, values = (yaml.safe_load((CHART / name).read_text()) for name in ("Chart.yaml", "values.yaml"))
    assert chart["version"] == chart["appVersion"] == __version__
    for key, found in kustomized("manifests").items():
        assert found["metadata"].get("labels", {}).get("app.kubernetes.io/version", __version__) == __version__, key
    images = {one["image"] for one in yaml.safe_load(chart["annotations"]["artifacthub.io/images"])}
    controller = f"{values['image']['repository']}:{chart['appVersion']}"
    assert images == {controller, *(values["workload"][one] for one in ("cpu", "gpu", "npu"))}
    assert (ROOT / "docs" / "images" / chart["icon"].rpartition("/")[2]).exists()
    for example in yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"]):
        job, problems = parse_object(example)
        assert job is not None and not [one for one in check(job, on_cluster=True) if not one.warning], problems


def test_helm_and_kustomize_install_the_same_monitoring() -> None:
    values = [part for name in MONITORING for part in ("--set", f"monitoring.{name}=true")]
    with_monitoring = without_bookkeeping(templated(*values))
    for key, found in without_bookkeeping(kustomized("manifests/monitoring")).items():
        assert with_monitoring[key] == found, key
