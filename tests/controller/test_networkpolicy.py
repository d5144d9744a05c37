"""Who may connect to the pods of a job."""

import pytest

from datajob.api.contract import DASHBOARD_PORT, LABEL_UID, METRICS_PORT
from datajob_controller.datajob.objects.networkpolicy import network_policy
from datajob_controller.datajob.settings import JobSettings
from tests.support.network import admits
from tests.support.world import UID, datajob, run_name

# The labels of the operator's pods, rendered by its chart with default values (identical in 1.5.1, 1.6.1 and 1.7.0) and by its
# kustomization, and those of all Ray pods, whatever job or tenant they belong to (`labelPod` in KubeRay).
CHART = {
    "app.kubernetes.io/name": "kuberay-operator",
    "app.kubernetes.io/instance": "kuberay",
    "app.kubernetes.io/component": "kuberay-operator",
}
KUSTOMIZATION = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/component": "kuberay-operator"}
RAY_POD = {
    "app.kubernetes.io/name": "kuberay",
    "app.kubernetes.io/created-by": "kuberay-operator",
    "ray.io/is-ray-node": "yes",
    "ray.io/node-type": "worker",
    LABEL_UID: "another",
}
JOB = datajob()
POLICY = network_policy(JOB, run_name(JOB), JobSettings())


@pytest.mark.parametrize("labels", [CHART, KUSTOMIZATION], ids=["chart", "kustomization"])
def test_kuberay_reaches_the_job_api_and_nothing_else(labels: dict[str, str]) -> None:
    assert admits(POLICY, DASHBOARD_PORT, labels, {"kubernetes.io/metadata.name": "ray-system"})
    assert not admits(POLICY, METRICS_PORT, labels, {"kubernetes.io/metadata.name": "ray-system"})


@pytest.mark.parametrize("same_namespace", [True, False])
@pytest.mark.parametrize("labels", [RAY_POD, {}, {"app": "web"}], ids=["ray", "no labels", "web"])
def test_pods_of_others_reach_nothing(labels: dict[str, str], same_namespace: bool) -> None:
    for port in (DASHBOARD_PORT, METRICS_PORT, 6379, 10001):
        assert not admits(POLICY, port, labels, {"kubernetes.io/metadata.name": "team-b"}, same_namespace=same_namespace)


def test_the_pods_of_a_job_reach_each_other_and_only_in_its_namespace() -> None:
    own = {**RAY_POD, LABEL_UID: UID}
    assert admits(POLICY, 6379, own, {}, same_namespace=True)
    assert not admits(POLICY, 6379, own, {}, same_namespace=False)


def test_the_namespace_of_kuberay_can_be_required() -> None:
    settings = JobSettings(kuberay_namespace_labels={"kubernetes.io/metadata.name": "ray-system"})
    policy = network_policy(JOB, run_name(JOB), settings)
    assert admits(policy, DASHBOARD_PORT, CHART, {"kubernetes.io/metadata.name": "ray-system"})
    assert not admits(policy, DASHBOARD_PORT, CHART, {"kubernetes.io/metadata.name": "team-b"})
