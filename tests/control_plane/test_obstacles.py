"""Obstacles that the API server puts in the way of pods, with the operator of KubeRay and without nodes.

All DataJobs are applied at once, each in a separate namespace. The node that is lost exists only as an object: it has no
kubelet, and the test writes the status of its pod. The loss of the node, the eviction and its condition are real.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from hack.cluster.bare import BareCluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, Refused, authority
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess, account_kubeconfig
from tests.support.kuberay_process import DENIED, denying_webhook, kuberay_operator
from tests.support.obstacles import Objects, Obstacle, Seen, watch

JOB = "job"
WATCH_SECONDS = 480
WEBHOOK_PORT, NOTHING_PORT = 9443, 9444
SETTINGS = {
    "DATAJOB_OBSTACLE_SECONDS": "10",
    "DATAJOB_SCHEDULING_SECONDS": "20",
    "DATAJOB_TERMINATION_GRACE_SECONDS": "1",
    "DATAJOB_LEASE_SECONDS": "60",
}


def quota(**hard: str) -> Any:
    """Plants a ResourceQuota."""

    def objects(namespace: str) -> Objects:
        meta = {"name": "team", "namespace": namespace}
        return [("resourcequotas", {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}})]

    return objects


def quota_in_use(namespace: str) -> Objects:
    """A ResourceQuota of one pod, and that pod."""
    container = {"name": "c", "image": "localhost/none"}
    other = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "namespace": namespace}}
    return [("pods", {**other, "spec": {"containers": [container]}}), *quota(pods="1")(namespace)]


def limit_range(namespace: str) -> Objects:
    """A LimitRange below the memory of the job."""
    spec = {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]}
    meta = {"name": "team", "namespace": namespace}
    return [("limitranges", {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": spec})]


def webhook(port: int, ca: str) -> Any:
    """Plants an admission webhook for the pods of the namespace."""

    def objects(namespace: str) -> Objects:
        hook = {
            "name": f"{namespace}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": ca},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        return [("validatingwebhookconfigurations", {**head, "metadata": {"name": namespace}, "webhooks": [hook]})]

    return objects


def admission_policy(namespace: str) -> Objects:
    """A ValidatingAdmissionPolicy that denies the pods of the namespace."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    base = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace}}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "false", "message": DENIED}]}
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": namespace, "validationActions": ["Deny"], "matchResources": selector}
    return [
        ("validatingadmissionpolicies", {**base, "kind": "ValidatingAdmissionPolicy", "spec": spec}),
        ("validatingadmissionpolicybindings", {**base, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding}),
    ]


HOST_PATH = {
    "volumes": [{"name": "host", "hostPath": {"path": "/data"}}],
    "volumeMounts": [{"name": "host", "mountPath": "/d"}],
}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OBSTACLES = [
    Obstacle("A ResourceQuota of zero pods", "PodsRefused", ("exceeded quota: team", "increase it"), objects=quota(pods="0")),
    Obstacle("A ResourceQuota that is used up", "PodsRefused", ("exceeded quota: team", "other pods"), objects=quota_in_use),
    Obstacle(
        "PodSecurity forbids a volume",
        "PodsRefused",
        ('violates PodSecurity "restricted', "hostPath", "less strict"),
        spec={"runtime": HOST_PATH},
        labels=RESTRICTED,
    ),
    Obstacle(
        "A missing ServiceAccount",
        "PodsRefused",
        ('serviceaccount "nosuch" not found', "Create the ServiceAccount"),
        spec={"runtime": {"serviceAccountName": "nosuch"}},
    ),
    Obstacle(
        "An invalid node selector",
        "PodsRefused",
        ("not valid!", "Correct the field"),
        spec={"resources": {"workers": {"nodeSelector": {"disk": "not valid!"}}}},
    ),
    Obstacle("A LimitRange", "PodsRefused", ("maximum memory usage per Container", "LimitRange"), objects=limit_range),
    Obstacle("An admission webhook that denies pods", "PodsRefused", (DENIED, "exemption")),
    Obstacle("An admission policy that denies pods", "PodsRefused", (DENIED, "exemption"), objects=admission_policy),
    Obstacle(
        "An admission webhook that does not respond", "PodsRefused", ("failed calling webhook", "its Service"), retried=True
    ),
    Obstacle(
        "KubeRay is installed but not running",
        "KubeRayNotResponding",
        ("has not created the pods", "kubectl get pods -A"),
        retried=True,
        spec={"startDeadlineSeconds": 65},
    ),
    Obstacle("A node that is lost", "Disrupted", ("does not respond", "DeletionByTaintManager"), phase="", retried=True),
]
BY_NAME = {one.name: one for one in OBSTACLES}


@pytest.fixture(scope="module")
def seen(api: Api, control_plane: BareCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """What users see of a DataJob with each obstacle."""
    folder, ca = tmp_path_factory.mktemp("obstacles"), authority(control_plane.kubeconfig)
    jobs = {one.name: Jobs(api, api.create_namespace("obstacle")) for one in OBSTACLES}
    namespaces = [one.namespace for one in jobs.values()]
    env = {**SETTINGS, "KUBECONFIG": str(account_kubeconfig(api, control_plane.kubeconfig, folder))}
    controller = ControllerProcess(folder, "controller", {**env, "DATAJOB_NAMESPACES": ",".join(namespaces)})
    served = [jobs[name].namespace for name in BY_NAME if name != "KubeRay is installed but not running"]
    with (
        kuberay_operator(control_plane, served, folder),
        denying_webhook(control_plane, WEBHOOK_PORT, folder),
        live_node(api, f"live-{namespaces[0]}"),
    ):
        for one in OBSTACLES:
            one.plant(api, jobs[one.name].namespace)
        for name, port in (("denies pods", WEBHOOK_PORT), ("does not respond", NOTHING_PORT)):
            namespace = jobs[f"An admission webhook that {name}"].namespace
            for plural, manifest in webhook(port, ca)(namespace):
                api.create(plural, manifest)
        controller.start()
        try:
            for one in OBSTACLES:
                jobs[one.name].apply(JOB, **{"retry": {"limit": 3, "backoffSeconds": 600}, **one.spec})
            lose_a_node(api, jobs["A node that is lost"].namespace)
            yield watch({name: (one, JOB) for name, one in jobs.items()}, WATCH_SECONDS)
        finally:
            controller.stop()
            api.delete("nodes", "", jobs["A node that is lost"].namespace)
            for namespace in namespaces:
                for plural in (
                    "validatingwebhookconfigurations",
                    "validatingadmissionpolicybindings",
                    "validatingadmissionpolicies",
                ):
                    api.delete(plural, "", namespace)
                api.delete("namespaces", "", namespace)


def create_node(api: Api, name: str) -> None:
    """A node that is ready."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    api.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    api.patch("nodes", "", name, {"status": {"conditions": [ready]}}, "status")


@contextmanager
def live_node(api: Api, name: str) -> Iterator[None]:
    """A node that stays ready: while no node is, Kubernetes evicts no pod."""
    create_node(api, name)
    stop = threading.Event()
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
    }

    def renew() -> None:
        while not stop.wait(1):
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
            with suppress(OSError, Refused):  # the next renewal follows
                api.apply("leases", {**lease, "spec": spec})

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        api.delete("nodes", "", name)


def lose_a_node(api: Api, namespace: str) -> None:
    """Run the head of the job on a node whose kubelet does not respond."""
    create_node(api, namespace)
    head = "ray.io/node-type%3Dhead"
    (pod,) = wait_for(lambda: api.list("pods", namespace, head), "the head", 300)
    name = pod["metadata"]["name"]
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace}}
    api.request(
        "POST", f"api/v1/namespaces/{namespace}/pods/{name}/binding", {**binding, "target": {"kind": "Node", "name": namespace}}
    )
    container = {"name": "ray-head", "image": "x", "imageID": "x", "ready": True, "restartCount": 0, "state": {"running": {}}}
    conditions = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready", "ContainersReady")]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}
    api.patch("pods", namespace, name, {"status": status}, "status")


@pytest.mark.parametrize("name", BY_NAME)
def test_an_obstacle_is_stated_with_its_fix_and_ends_within_its_limit(seen: dict[str, Seen], name: str) -> None:
    BY_NAME[name].check(seen[name])
