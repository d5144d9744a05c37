"""DataJob as a `Kind`: what it owns, what to keep of each object in memory, and what to verify before deciding."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from datajob.api import API_GROUP, API_VERSION
from datajob.api.contract import ENV_RUN_ID, REPORT_KEY
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.messages import PREVIOUS_TERMINATING
from datajob_controller.datajob.metrics import JobMetrics
from datajob_controller.datajob.names import is_cluster_of, is_config_of, is_rayjob_of, job_config, report_config, run_of_rayjob
from datajob_controller.datajob.policy.kuberay import NOT_RESPONDING
from datajob_controller.datajob.policy.losses import head_failure
from datajob_controller.datajob.policy.previous import ENDED
from datajob_controller.datajob.report import of_this_attempt, parse_report
from datajob_controller.datajob.run import needs_check
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.datajob.specs import CheckedSpecs
from datajob_controller.runtime.kind import Kind, OwnedKind, is_controlled_by, is_gone
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.resources import CONFIG_MAP, POD, Resource
from datajob_controller.runtime.types import Observed, Reference
from datajob_controller.shared.objects.kept import keep_of_pod
from datajob_controller.shared.policy.conditions import true_reason
from datajob_controller.shared.policy.pods import is_head
from datajob_controller.shared.policy.refusals import REPLICA_FAILURE
from datajob_controller.shared.policy.waiting import in_creation

DATAJOB = Resource("DataJob", API_GROUP, API_VERSION, "datajobs")
RAYJOB = Resource("RayJob", "ray.io", "v1", "rayjobs")
MAX_INQUIRIES = 3
"""Number of pods whose Events are read for one decision."""


def datajob_kind(settings: JobSettings) -> Kind:
    """The kind, with the settings of the administrator."""
    checked = CheckedSpecs()
    return Kind(
        resource=DATAJOB,
        decide=partial(decide, settings=settings, check=checked),
        is_quick=lambda datajob: checked.known(datajob) is not None or not needs_check(datajob),
        owned=(
            OwnedKind(RAYJOB, keep=_keep_of_rayjob, belongs=_is_its_rayjob),
            OwnedKind(CONFIG_MAP, keep=_keep_of_config_map, belongs=_is_its_config_map),
            OwnedKind(POD, keep=keep_of_pod, belongs=_is_its_pod, remembers=_matters_when_gone, forgets=_goes_with),
        ),
        rests=lambda datajob: not needs_check(datajob),
        verify=objects_to_verify,
        inquire=pods_to_inquire,
        metrics=partial(JobMetrics, detail=settings.job_metrics),
    )


def objects_to_verify(datajob: Manifest, observed: Observed) -> Sequence[Reference]:
    """Objects of the current attempt whose loss would end it, if memory has lost them, and its report when it has ended.

    The driver writes its last report before it ends, but the watches of ConfigMaps and RayJobs are independent.
    """
    status = datajob.get("status") or {}
    ray_job = status.get("rayJobName")
    waits_for = true_reason(status.get("conditions", ()), "Reconciling")
    if status.get("phase") == "Pending" and waits_for in (PREVIOUS_TERMINATING, NOT_RESPONDING):
        return _terminating(observed)
    if not ray_job or status.get("finished"):
        return ()
    run = run_of_rayjob(ray_job)
    missing = [name for name in (job_config(run), report_config(run)) if name not in observed.of("ConfigMap")]
    found = [Reference("ConfigMap", name) for name in missing]
    if not missing and _lacks_last_report(observed, ray_job, int(status.get("attempt", 1))):
        found.append(Reference("ConfigMap", report_config(run)))
    lost = ray_job not in observed.of("RayJob") or head_failure(observed.of("Pod").values())
    return [*found, Reference("RayJob", ray_job)] if lost and "RayJob" not in observed.unserved else found


def _lacks_last_report(observed: Observed, ray_job: str, attempt: int) -> bool:
    """Whether the RayJob has ended, but memory has no report of that."""
    status = observed.of("RayJob").get(ray_job, {}).get("status", {})
    if status.get("jobDeploymentStatus") not in ENDED:
        return False
    config_map = observed.of("ConfigMap").get(report_config(run_of_rayjob(ray_job)))
    report = of_this_attempt(parse_report(config_map), attempt)
    return report is None or report.state == "running"


def pods_to_inquire(_: Manifest, observed: Observed, now: datetime) -> Sequence[Reference]:
    """Pods whose containers are not created for a while. Only their Events state the reason, for example a missing Secret."""
    creating = in_creation(pod for pod in observed.of("Pod").values() if not pod["metadata"].get("deletionTimestamp"))
    return [Reference("Pod", pod["metadata"]["name"]) for pod, suspicious in creating if now >= suspicious][:MAX_INQUIRIES]


def _terminating(observed: Observed) -> list[Reference]:
    """What an attempt waits for, which may have been deleted without an event."""
    heads = [Reference("Pod", name) for name, pod in observed.of("Pod").items() if is_head(pod) and not is_gone(pod)]
    return [*(Reference("RayJob", name) for name in observed.of("RayJob")), *heads]


def _is_its_rayjob(datajob: Manifest, ray_job: Manifest) -> bool:
    return is_controlled_by(datajob, ray_job) and is_rayjob_of(datajob["metadata"]["name"], ray_job["metadata"]["name"])


def _is_its_config_map(datajob: Manifest, config: Manifest) -> bool:
    return is_controlled_by(datajob, config) and is_config_of(datajob["metadata"]["name"], config["metadata"]["name"])


def _is_its_pod(datajob: Manifest, pod: Manifest) -> bool:
    """A pod belongs to a RayCluster, which KubeRay names like the RayJob that owns it."""
    meta = pod["metadata"]
    owners = (one for one in meta.get("ownerReferences", ()) if one.get("controller") and one.get("kind") == "RayCluster")
    cluster = next((str(one["name"]) for one in owners), "")
    labelled = meta["labels"].get("ray.io/cluster") == cluster
    return labelled and is_cluster_of(datajob["metadata"]["name"], cluster)


def _keep_of_rayjob(manifest: Manifest) -> Manifest:
    status = manifest.get("status", {})
    conditions = (status.get("rayClusterStatus") or {}).get("conditions") or ()
    failures = [condition for condition in conditions if condition.get("type") == REPLICA_FAILURE]
    kept = {key: value for key, value in status.items() if key != "rayClusterStatus"}
    spec = manifest.get("spec", {})
    passed = _passed_run_id(spec)
    return {
        "spec": {"suspend": spec.get("suspend", False), **({"runId": passed} if passed else {})},
        "status": {**kept, **({"rayClusterStatus": {"conditions": failures}} if failures else {})},
    }


def _passed_run_id(spec: Manifest) -> str:
    """The identity of the run that the head of a RayJob receives."""
    with suppress(KeyError, IndexError, TypeError):
        head = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
        return next((str(entry["value"]) for entry in head["env"] if entry.get("name") == ENV_RUN_ID), "")
    return ""


def _keep_of_config_map(manifest: Manifest) -> Manifest:
    report = (manifest.get("data") or {}).get(REPORT_KEY)
    return {"data": {REPORT_KEY: report} if report else {}}


def _matters_when_gone(pod: Manifest, others: Iterable[Manifest]) -> bool:
    """A deleted head ends its attempt, and failed pods count as crashes, as long as the RayJob exists."""
    matters = is_head(pod) or pod.get("status", {}).get("phase") == "Failed"
    return matters and any(_goes_with(pod, other) for other in others)


def _goes_with(pod: Manifest, other: Manifest) -> bool:
    """Whether `other` is the RayJob of a pod, with which the pod ceases to matter."""
    cluster = str(pod["metadata"]["labels"].get("ray.io/cluster"))
    return other["kind"] == "RayJob" and cluster.startswith(f"{other['metadata']['name']}-")
