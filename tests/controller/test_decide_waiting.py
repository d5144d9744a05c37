"""Nothing waits forever, and every wait states its reason: before the driver starts."""

from datetime import timedelta

import pytest

from datajob_controller.runtime.manifests import Manifest, rfc3339
from tests.support.pod_states import NOT_FOUND, UNSCHEDULABLE, ready, waiting
from tests.support.world import NOW, World, datajob, pod

PERMANENT: dict[str, tuple[Manifest, str]] = {
    "image": (waiting("ImagePullBackOff", NOT_FOUND), "ImagePullFailed"),
    "never": (waiting("ErrImageNeverPull", ""), "ImagePullFailed"),
    "denied": (waiting("ErrImagePull", "pull access denied"), "ImagePullFailed"),
    "secret": (waiting("CreateContainerConfigError", 'secret "s3" not found'), "CreateContainerConfigError"),
    "name": (waiting("InvalidImageName", "could not parse"), "InvalidImageName"),
}


@pytest.mark.parametrize("case", PERMANENT)
def test_what_only_a_user_can_fix_ends_the_job_after_one_limit(world: World, case: str) -> None:
    status, reason = PERMANENT[case]
    world.pods = [pod(world.status["rayJobName"], **status)]
    due = world.settle().requeue_at
    assert due == NOW + timedelta(seconds=300)
    assert world.condition("Reconciling")["reason"] == reason
    world.now = due
    world.settle()
    assert world.condition("Failed")["reason"] == reason
    assert len(world.status["attempts"]) == 1


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        (waiting("ImagePullBackOff", "dial tcp: i/o timeout"), 300),
        (waiting("CreateContainerError", "context deadline exceeded"), 300),
    ],
)
def test_what_may_end_by_itself_is_retried(world: World, status: Manifest, seconds: int) -> None:
    world.pods = [pod(world.status["rayJobName"], **status)]
    world.settle()
    world.later(seconds)
    world.settle()
    assert world.status["phase"] == "Retrying"


def test_a_job_without_capacity_ends_after_one_limit(world: World) -> None:
    world.pods = [pod(world.status["rayJobName"], head=False, **UNSCHEDULABLE)]
    world.settle()
    world.later(3600)
    world.settle()
    assert (world.status["phase"], len(world.status["attempts"])) == ("Failed", 1)


def test_missing_cpu_is_named_with_the_requests_of_all_containers(world: World) -> None:
    stuck = pod(world.status["rayJobName"], **UNSCHEDULABLE)
    stuck["spec"]["containers"] = [
        {"name": "ray-head", "resources": {"requests": {"cpu": "700m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}},
        {"name": "autoscaler", "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}},
    ]
    world.pods = [stuck]
    world.settle()
    assert "requires 2560Mi memory, 800m cpu" in world.condition("Reconciling")["message"]


MOUNT = 'FailedMount: MountVolume.SetUp failed for volume "code" : configmap "nosuch" not found'


def test_a_volume_that_cannot_be_mounted_is_stated_from_the_events_of_the_pod(world: World) -> None:
    creating = {"phase": "Pending", "startTime": rfc3339(NOW), "containerStatuses": []}
    world.pods = [pod(world.status["rayJobName"], **creating)]
    assert world.settle().requeue_at == NOW + timedelta(seconds=20)
    world.later(20)
    world.warnings = {"pod-1": MOUNT}
    decision = world.settle()
    assert decision.requeue_at == world.now + timedelta(seconds=30)
    assert world.condition("Reconciling")["reason"] == "VolumeUnavailable"
    assert 'configmap "nosuch" not found' in world.condition("Reconciling")["message"]
    world.later(280)
    world.settle()
    assert (world.status["phase"], world.condition("Failed")["reason"]) == ("Failed", "VolumeUnavailable")


QUOTA = 'pods "h" is forbidden: exceeded quota: team, requested: {}, used: {}, limited: {}'


@pytest.mark.parametrize(
    ("message", "seconds", "phase"),
    [
        (QUOTA.format("pods=1", "pods=0", "pods=0"), 300, "Failed"),
        (QUOTA.format("requests.memory=2Gi", "requests.memory=0", "requests.memory=1Gi"), 300, "Failed"),
        (QUOTA.format("pods=1", "pods=4", "pods=4"), 3600, "Failed"),
        (QUOTA.format("requests.cpu=2,pods=1", "requests.cpu=3,pods=0", "requests.cpu=4,pods=9"), 3600, "Failed"),
        ('Internal error occurred: failed calling webhook "x": connection refused', 3600, "Retrying"),
        ("etcdserver: request timed out", 3600, "Retrying"),
        ('admission webhook "policy.example.com" denied the request: no', 300, "Failed"),
        ("pods \"h\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", 300, "Failed"),
        ('Pod "h" is invalid: spec.nodeSelector: Invalid value: "a b"', 300, "Failed"),
        ('pods "h" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi', 300, "Failed"),
    ],
)
def test_a_refusal_of_pods_ends_by_its_class(world: World, message: str, seconds: int, phase: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": message, "lastTransitionTime": rfc3339(NOW)}
    world.ray_job["status"]["rayClusterStatus"] = {"conditions": [failure]}
    assert world.settle().requeue_at == NOW + timedelta(seconds=seconds)
    world.later(seconds)
    world.settle()
    assert world.status["phase"] == phase
    assert world.status["attempts"][0]["reason"] == "PodsRefused"


def test_kuberay_that_does_not_respond_is_reported_after_a_minute(world: World) -> None:
    assert world.settle().requeue_at == NOW + timedelta(seconds=60)
    world.later(60)
    world.settle()
    assert world.condition("Reconciling")["reason"] == "KubeRayNotResponding"
    assert "kuberay-operator" in world.condition("Reconciling")["message"]
    world.later(3540)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "KubeRayNotResponding"


def test_a_submitted_driver_is_not_yet_a_running_one() -> None:
    world = World(datajob(startDeadlineSeconds=600))
    world.settle()
    world.pods = [pod(world.status["rayJobName"], phase="Running", conditions=ready())]
    world.ray_job["status"] |= {"jobStatus": "PENDING", "jobDeploymentStatus": "Running"}
    assert world.settle().requeue_at == NOW + timedelta(seconds=600)
    assert (world.status["phase"], world.condition("Reconciling")["reason"]) == ("Starting", "DriverPending")
    world.later(600)
    world.settle()
    assert world.status["attempts"][0]["reason"] == "StartTimeout"
