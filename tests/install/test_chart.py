"""The chart on a real API server with the real helm: install, upgrade, roll back, a second release, uninstall."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.cluster.build import prometheus_operator_crds
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, connect
from tests.support.api_jobs import Jobs
from tests.support.clusters import started
from tests.support.controller_process import account_kubeconfig
from tests.support.release import Release
from tests.support.rendering import ROOT, templated

pytestmark = pytest.mark.control_plane
CRD = "datajobs.datajob.io"
SERVICE_CRD = "modelservices.datajob.io"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane of its own, on which nothing of the project is installed."""
    for one in started("control-plane"):
        one.install_kuberay_crds()
        yield one


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    """Its API server, as an administrator."""
    return connect(cluster.kubeconfig)


@pytest.fixture
def release(cluster: Cluster, api: Api) -> Iterator[Release]:
    """A release that is removed after the test, with its CRD."""
    made = Release(cluster, "datajob", "datajob-system")
    yield made
    made.refused("uninstall")
    cluster.kubectl("delete", "crd", CRD, SERVICE_CRD, "--ignore-not-found")
    cluster.kubectl("delete", "namespace", made.namespace, "--ignore-not-found")


@pytest.fixture
def jobs(api: Api) -> Iterator[Jobs]:
    """DataJobs in a namespace of the test."""
    name = api.create_namespace("jobs")
    yield Jobs(api, name)
    api.delete("namespaces", "", name)


def test_an_installed_release_runs_jobs_and_passes_its_own_test(
    cluster: Cluster, api: Api, release: Release, jobs: Jobs, tmp_path: Path
) -> None:
    notes = release.install()
    assert "helm -n datajob-system test datajob" in notes
    cluster.wait_until_established(CRD)
    controller = release.process(api, tmp_path)
    try:
        wait_for(controller.leads, "the controller to lead")
        jobs.apply()
        jobs.set_running()
        jobs.succeeds()
        done = run_check(api, release, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "is the leader" in done.stdout
    finally:
        controller.stop()


def run_check(api: Api, release: Release, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run what the pod of `helm test` runs, with its account and environment."""
    hooks = [one for key, one in templated().items() if key[0] == "Pod"]
    (pod,) = hooks
    account = (release.namespace, pod["spec"]["serviceAccountName"])
    config = account_kubeconfig(api, release.cluster.kubeconfig, folder, account=account)
    (_, *command) = pod["spec"]["containers"][0]["command"]
    own = {**release.env(api, pod), "KUBECONFIG": str(config), "DATAJOB_POD_NAMESPACE": release.namespace, **env}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, timeout=300
    )


def test_the_check_of_an_installation_names_what_is_missing(
    cluster: Cluster, api: Api, release: Release, tmp_path: Path
) -> None:
    roles = "apply the roles and bindings of the chart or of manifests/rbac"
    expected = {
        "failed: the API server does not serve RayJob: install the KubeRay operator",
        f"failed: the controller has no permission to list datajobs in team-x: {roles}",
        "failed: no replica holds the Lease datajob-controller",
        "ok: the API server serves DataJob",
    }
    release.install()
    cluster.wait_until_established(CRD)
    api.delete("customresourcedefinitions", "", "rayjobs.ray.io")
    try:
        wait_for(lambda: api.get("customresourcedefinitions", "", "rayjobs.ray.io") is None, "the CRD to be gone")
        cluster.kubectl("delete", "clusterrolebinding", "datajob-system:datajob-controller")
        printed: list[str] = []

        def all_is_named() -> bool:  # the API server needs a moment to enforce both deletions
            printed[:] = run_check(api, release, tmp_path, DATAJOB_NAMESPACES="team-x").stdout.splitlines()
            return expected <= set(printed)

        wait_for(all_is_named, lambda: f"the results: {printed}")
    finally:
        cluster.install_kuberay_crds()


def test_an_upgrade_and_a_rollback_change_the_deployment_and_keep_jobs(
    cluster: Cluster, api: Api, release: Release, jobs: Jobs
) -> None:
    release.install()
    cluster.wait_until_established(CRD)
    jobs.apply()
    release.helm("upgrade", "--set", "replicas=1,settings.log_level=DEBUG,podDisruptionBudget.create=false")
    assert release.deployment(api)["spec"]["replicas"] == 1
    assert release.env(api)["DATAJOB_LOG_LEVEL"] == "DEBUG"
    budgets = f"apis/policy/v1/namespaces/{release.namespace}/poddisruptionbudgets"
    assert api.request("GET", budgets)["items"] == []
    release.helm("rollback", "1")
    assert release.deployment(api)["spec"]["replicas"] == 2
    assert "DATAJOB_LOG_LEVEL" not in release.env(api)
    (budget,) = api.request("GET", budgets)["items"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert jobs.get()


def test_two_releases_serve_their_own_namespaces(
    cluster: Cluster, api: Api, release: Release, jobs: Jobs, tmp_path: Path
) -> None:
    other = Jobs(api, api.create_namespace("jobs"))
    second = Release(cluster, "datajob", "second-system")
    release.install("--set", f"namespaces={{{jobs.namespace}}}")
    cluster.wait_until_established(CRD)
    conflict = second.refused("install", "--create-namespace", "--set", f"namespaces={{{other.namespace}}}")
    assert "exists and cannot be imported into the current release" in conflict.stderr
    second.install("--set", f"namespaces={{{other.namespace}}},crd.install=false")
    controllers = [one.process(api, tmp_path) for one in (release, second)]
    try:
        for one in controllers:
            wait_for(one.leads, "both controllers to lead")
        for one in (jobs, other):
            one.apply()
            one.ray_job()
        assert [controller.metric("datajob_jobs") for controller in controllers] == [1, 1]
        second.helm("uninstall")
        jobs.edit(suspend=True)
        jobs.wait_phase("Suspended")
    finally:
        for one in controllers:
            one.stop()
        for name in (other.namespace, second.namespace):
            api.delete("namespaces", "", name)


def test_listed_namespaces_work_where_access_reviews_are_forbidden(
    cluster: Cluster, api: Api, release: Release, jobs: Jobs, tmp_path: Path
) -> None:
    release.install("--set", f"namespaces={{{jobs.namespace}}}")
    cluster.wait_until_established(CRD)
    default = cluster.kubectl("get", "clusterrolebinding", "system:basic-user", "-o", "yaml")
    cluster.kubectl("delete", "clusterrolebinding", "system:basic-user")
    controller = release.process(api, tmp_path)
    try:
        wait_for(controller.leads, "the controller to lead")
        jobs.apply()
        jobs.ray_job()
        assert 'kind="SelfSubjectAccessReview",verb="POST"' in controller.get("metrics")
    finally:
        controller.stop()
        restored = {key: value for key, value in yaml.safe_load(default).items() if key != "metadata"}
        cluster.apply(yaml.safe_dump({**restored, "metadata": {"name": "system:basic-user"}}))


def test_the_crd_and_the_jobs_survive_an_uninstallation_and_another_release_can_adopt_them(
    cluster: Cluster, api: Api, release: Release, jobs: Jobs
) -> None:
    release.install()
    cluster.wait_until_established(CRD)
    jobs.apply()
    release.helm("uninstall")
    assert jobs.get()
    left = cluster.kubectl(
        "get",
        "deploy,sa,role,rolebinding,pdb",
        "-n",
        release.namespace,
        "-l",
        "app.kubernetes.io/instance=datajob",
        "-o",
        "name",
    )
    assert left == ""
    assert (
        cluster.kubectl("get", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/instance=datajob", "-o", "name") == ""
    )
    release.install()
    release.helm("uninstall")
    other = Release(cluster, "other", "other-system")
    refused = other.refused("install", "--create-namespace")
    assert "invalid ownership metadata" in refused.stderr
    other.install("--take-ownership")
    assert other.deployment(api)["spec"]["replicas"] == 2
    other.helm("uninstall")
    assert jobs.get()


def test_the_prometheus_operator_accepts_the_monitors_and_rules(cluster: Cluster, release: Release) -> None:
    for name in ("podmonitors", "prometheusrules"):
        crd = prometheus_operator_crds() / f"monitoring.coreos.com_{name}.yaml"
        cluster.kubectl("apply", "--server-side", "-f", str(crd))
        cluster.wait_until_established(f"{name}.monitoring.coreos.com")
    values = "monitoring.podMonitor=true,monitoring.rules=true,monitoring.interval=15s,monitoring.labels.release=kps"
    for one in templated("--set", values).values():
        if one["apiVersion"] == "monitoring.coreos.com/v1":
            del one["metadata"]["namespace"]
            strict = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
            cluster.kubectl(*strict, stdin=yaml.safe_dump(one))
    release.install("--set", values)
    selected = cluster.kubectl("get", "podmonitors,prometheusrules", "-n", release.namespace, "-l", "release=kps", "-o", "name")
    assert len(selected.split()) == 4


def test_every_object_of_the_chart_is_accepted_by_a_strict_api_server(cluster: Cluster, release: Release) -> None:
    values = {
        "podSecurityContext": {"runAsUser": None, "fsGroup": 2000},
        "imagePullSecrets": [{"name": "registry"}],
        "image": {"digest": f"sha256:{'0' * 64}"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "arch", "operator": "In", "values": ["amd64"]}]}]
                }
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "datajob"}},
            }
        ],
        "podLabels": {"cost-center": "42"},
        "podAnnotations": {"example.com/note": "x"},
        "commonLabels": {"team": "data"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "x"}},
        "namespaceSelector": "datajobs=enabled",
        "monitoring": {"dashboard": True},
    }
    cluster.kubectl("create", "namespace", release.namespace)
    labels = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", release.namespace, labels)
    (release_values := Path(cluster.kubeconfig).with_name("values.yaml")).write_text(yaml.safe_dump(values))
    rendered = templated("--values", str(release_values))
    for key, one in rendered.items():
        if key[0] != "Pod":
            cluster.kubectl(
                "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(one)
            )
    pod = rendered[("Deployment", release.namespace, "datajob-controller")]["spec"]["template"]
    for spec in (pod["spec"], rendered[("Pod", release.namespace, "datajob-test")]["spec"]):
        alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": release.namespace}, "spec": spec}
        alone["spec"] = {**spec, "serviceAccountName": "default", "priorityClassName": None}
        cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(alone))
