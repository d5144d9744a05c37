"""Reports what a RayService and its pods do: which conditions hold, and why."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from datajob_controller.modelservice.policy.application import FAILED, UNHEALTHY, Application, active, invalid, newest
from datajob_controller.modelservice.policy.receiver import receiver
from datajob_controller.modelservice.policy.replicas import of_cluster, problem, ready_replicas, running_workers, serving
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.modelservice.specs import CheckedSpec
from datajob_controller.modelservice.status import StatusBuilder
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.types import Observed
from datajob_controller.shared.text import shortened

RESPONDS = timedelta(seconds=60)
"""Time within which KubeRay reacts to a new RayService."""
_FIX = "Correct the model, its hardware or its image, or change spec.restart to load it again."
_CHECK = "Check that the KubeRay operator is running: kubectl get pods -A -l app.kubernetes.io/component=kuberay-operator"
State = tuple[str, str]
"""Reason and message."""


def report(
    status: StatusBuilder,
    found: Manifest,
    observed: Observed,
    checked: CheckedSpec | None,
    now: datetime,
    settings: ServiceSettings,
    *,
    settled: bool,
) -> None:
    """Set the conditions and the replicas. `settled`: KubeRay reports the state after the last change."""
    current, application = receiver(found, observed), newest(found)
    all_pods = list(observed.of("Pod").values())
    pods = of_cluster(all_pods, current)
    wanted = _wanted(checked, pods)
    ready, available = ready_replicas(pods), bool(serving(pods))
    status.set_replicas(ready, wanted, current if active(found).cluster else "")
    new = of_cluster(all_pods, application.cluster)
    trouble = problem(new, observed.of("RayCluster").get(application.cluster), settings, observed.warnings, now)
    stalled = _stalled(status.failed, found, application, settled=settled)
    progress: State | None = None
    if trouble and trouble.fatal_at and now >= trouble.fatal_at:
        stalled = stalled or (trouble.reason, trouble.message)
    elif trouble:
        progress = trouble.reason, trouble.message
    progress = progress or _progress(found, current, ready, wanted, now, settled=settled)
    if not available:
        progress = progress or ("NoReplica", "No replica answers requests.")
        status.set("Available", *(stalled or progress), holds=False)
    else:
        status.set("Available", "Serving", f"{ready} of {wanted} replicas answer requests.")
    if stalled:
        status.set("Stalled", *stalled)
    elif progress:
        status.set("Progressing", *progress)


def _wanted(checked: CheckedSpec | None, pods: Sequence[Manifest]) -> int:
    """The number of replicas that should run: with autoscaling, what the autoscaler has decided."""
    workers = running_workers(pods)
    if checked is None or checked.spec is None:
        return workers
    replicas = checked.spec.replicas
    return min(replicas.max, max(replicas.min, workers))


def _stalled(failed: Manifest, found: Manifest, application: Application, *, settled: bool) -> State | None:
    if refused := invalid(found):
        return "RayServiceInvalid", f"KubeRay rejected the RayService: {shortened(refused)}"
    if settled and application.status == FAILED:
        return "ModelFailed", f"The model cannot be loaded. {_FIX}\n{shortened(application.message)}"
    if failed:
        message = f"The model of the spec cannot be loaded, so the previous one is served. {_FIX}\n{failed.get('message', '')}"
        return "ModelFailed", message
    return None


def _progress(found: Manifest, receiving: str, ready: int, wanted: int, now: datetime, *, settled: bool) -> State | None:
    """What the service waits for; None if it is in its final state. `receiving`: the Ray cluster that receives requests."""
    application = newest(found)
    name, created = found["metadata"]["name"], parse_time(found["metadata"].get("creationTimestamp"))
    if not application.cluster:
        if created and now >= created + RESPONDS:
            return "KubeRayNotResponding", f"KubeRay has not created a Ray cluster for RayService {name}. {_CHECK}"
        return "ClusterStarting", f"Waiting for KubeRay to create the Ray cluster of RayService {name}."
    if application.cluster != receiving:
        return (
            "NewClusterStarting",
            f"The Ray cluster {application.cluster} starts. The previous one answers requests meanwhile.",
        )
    if not application.status:
        return "ClusterStarting", f"Waiting for the Ray cluster {application.cluster} to start."
    if not settled:
        return "RollingOut", "The edit is being applied."
    if application.status == UNHEALTHY:
        return "ReplicasUnhealthy", f"Replicas failed and are being replaced. {shortened(application.message)}"
    if application.status != "RUNNING":
        return "ModelLoading", f"Waiting for replicas to load the model. {shortened(application.message)}".rstrip()
    if not application.settled or ready < wanted:
        return "ReplicasStarting", f"{ready} of {wanted} replicas answer requests."
    return None
