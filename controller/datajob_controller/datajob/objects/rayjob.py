"""The RayJob of one attempt: a separate Ray cluster that runs the driver and is deleted with it."""

from typing import Any

from datajob.api.contract import ENTRYPOINT, LABEL_ATTEMPT
from datajob.api.resources import WorkerGroup
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import HEAD_CONTAINER, WORKER_CONTAINER, rayjob
from datajob_controller.datajob.objects.accelerators import placement
from datajob_controller.datajob.objects.pods import SECURITY_CONTEXT, TMP_MOUNT, limits, pod_template
from datajob_controller.datajob.quantities import number
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, metadata

API = "ray.io/v1"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
CPU_GROUP = "workers"
ACCELERATOR_GROUP = "accelerator"
AUTOSCALER = {"cpu": "100m", "memory": "512Mi"}
"""Requests of the autoscaler container in the head pod."""


def ray_job(datajob: Manifest, spec: DataJobSpec, settings: JobSettings, run: str, attempt: int, run_id: str) -> Manifest:
    """The RayJob. KubeRay's retries and deadlines are disabled, since the controller implements them. Its pods get `run_id`."""
    extra = {LABEL_ATTEMPT: str(attempt)}
    if spec.queue_name:
        extra[QUEUE_LABEL] = spec.queue_name
    return {
        "apiVersion": API,
        "kind": "RayJob",
        "metadata": metadata(datajob, rayjob(run, attempt), extra),
        "spec": {
            "submissionMode": settings.submission_mode,
            "entrypoint": ENTRYPOINT,
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 0,
            "rayClusterSpec": _cluster(datajob, spec, settings, run, attempt, run_id),
        },
    }


def _cluster(datajob: Manifest, spec: DataJobSpec, settings: JobSettings, run: str, attempt: int, run_id: str) -> Manifest:
    head = spec.resources.head
    cluster: dict[str, Any] = {
        "rayVersion": settings.ray_version,
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {
                "dashboard-host": "0.0.0.0",  # noqa: S104 (KubeRay connects from another pod; token and NetworkPolicy protect it)
                "num-cpus": "0",
                "memory": str(int(number(head.memory))),
            },
            "template": pod_template(
                datajob,
                spec,
                settings,
                run,
                attempt,
                run_id,
                container=HEAD_CONTAINER,
                image=settings.image_cpu,
                resources={"cpu": head.cpu, "memory": head.memory},
                token=True,
            ),
        },
        "workerGroupSpecs": _worker_groups(datajob, spec, settings, run, attempt, run_id),
    }
    if autoscales(spec):
        cluster["enableInTreeAutoscaling"] = True
        cluster["autoscalerOptions"] = {
            "version": "v2",
            "idleTimeoutSeconds": settings.autoscaler_idle_seconds,
            "imagePullPolicy": settings.image_pull_policy,
            "securityContext": SECURITY_CONTEXT,
            "volumeMounts": [TMP_MOUNT],
            "resources": {"requests": AUTOSCALER, "limits": limits(AUTOSCALER, settings)},
        }
    return cluster


def autoscales(spec: DataJobSpec) -> bool:
    """Whether Ray's autoscaler is enabled: a group can grow, and no queue admits a fixed size."""
    groups = [group for group in (spec.resources.workers, spec.resources.accelerator) if group]
    return not spec.queue_name and any(group.min < group.max for group in groups)


def _worker_groups(
    datajob: Manifest, spec: DataJobSpec, settings: JobSettings, run: str, attempt: int, run_id: str
) -> list[Manifest]:
    workers, accelerator = spec.resources.workers, spec.resources.accelerator
    common = (datajob, spec, settings, run, attempt, run_id)
    template = pod_template(
        *common,
        container=WORKER_CONTAINER,
        image=settings.image_cpu,
        resources={"cpu": workers.cpu, "memory": workers.memory},
        token=False,
        node_selector=workers.node_selector,
        tolerations=list(workers.tolerations),
    )
    groups = [_group(CPU_GROUP, workers, {}, template, queued=bool(spec.queue_name))]
    if accelerator:
        where = placement(accelerator, settings)
        template = pod_template(
            *common,
            container=WORKER_CONTAINER,
            image=where.image,
            resources={"cpu": accelerator.cpu, "memory": accelerator.memory, **where.limits},
            token=False,
            env=where.env,
            node_selector=where.node_selector,
            tolerations=where.tolerations,
        )
        groups.append(_group(ACCELERATOR_GROUP, accelerator, where.ray_start_params, template, queued=bool(spec.queue_name)))
    return groups


def _group(name: str, group: WorkerGroup, params: dict[str, str], template: Manifest, *, queued: bool) -> Manifest:
    minimum = group.max if queued else group.min  # a queue admits a fixed size
    return {
        "groupName": name,
        "replicas": minimum,
        "minReplicas": minimum,
        "maxReplicas": group.max,
        "rayStartParams": {
            "num-cpus": str(max(1, int(number(group.cpu)))),
            "memory": str(int(number(group.memory))),
            **params,
        },
        "template": template,
    }
