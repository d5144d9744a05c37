"""The RayJob of one attempt: a separate Ray cluster that runs the driver and is deleted with it."""

from collections.abc import Mapping

from datajob.api.contract import ENTRYPOINT, HEAD_CONTAINER, LABEL_ATTEMPT, WORKER_CONTAINER
from datajob.api.resources import WorkerGroup
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import rayjob
from datajob_controller.datajob.objects.context import pod_context
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.shared.names import ACCELERATOR_GROUP, CPU_GROUP
from datajob_controller.shared.objects.accelerators import placement
from datajob_controller.shared.objects.cluster import HEAD_GROUP, autoscaler, head_group, worker_group
from datajob_controller.shared.objects.pods import Context, Pods, pod_template

API = "ray.io/v1"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def ray_job(datajob: Manifest, spec: DataJobSpec, settings: JobSettings, run: str, attempt: int, run_id: str) -> Manifest:
    """The RayJob. KubeRay's retries and deadlines are disabled, since the controller implements them. Its pods get `run_id`."""
    extra = {**settings.ray_job_labels, **spec.runtime.ray_job_labels, LABEL_ATTEMPT: str(attempt)}
    if spec.queue_name:
        extra[QUEUE_LABEL] = spec.queue_name
    annotations = {**settings.ray_job_annotations, **spec.runtime.ray_job_annotations}
    return {
        "apiVersion": API,
        "kind": "RayJob",
        "metadata": metadata(datajob, rayjob(run, attempt), extra) | ({"annotations": annotations} if annotations else {}),
        "spec": {
            "submissionMode": settings.submission_mode,
            "entrypoint": ENTRYPOINT,
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 0,
            "rayClusterSpec": _cluster(spec, settings, pod_context(datajob, spec, settings, run, attempt, run_id)),
        },
    }


def _cluster(spec: DataJobSpec, settings: JobSettings, context: Context) -> Manifest:
    templates = {pods.name: pod_template(context, pods) for pods in _groups(spec, settings)}
    head = spec.resources.head
    cluster: Manifest = {
        "rayVersion": settings.ray_version,
        "authOptions": {"mode": "token"},
        "headGroupSpec": head_group(head, templates[HEAD_GROUP]),
        "workerGroupSpecs": _worker_groups(spec, settings, templates),
    }
    return cluster | (autoscaler(head, settings) if autoscales(spec) else {})


def autoscales(spec: DataJobSpec) -> bool:
    """Whether Ray's autoscaler is enabled: a group can grow, and no queue admits a fixed size."""
    groups = [group for group in (spec.resources.workers, spec.resources.accelerator) if group]
    return not spec.queue_name and any(group.min < group.max for group in groups)


def _groups(spec: DataJobSpec, settings: JobSettings) -> list[Pods]:
    """The groups of pods: head, workers and, if the job has them, accelerator workers."""
    resources, templates = spec.resources, settings.pod_templates
    head = Pods(
        HEAD_GROUP,
        resources.head,
        HEAD_CONTAINER,
        settings.image_cpu,
        defaults=(templates.of_all(HEAD_CONTAINER), templates.head),
        token=True,
        autoscaler=autoscales(spec),
    )
    every_worker = templates.of_all(WORKER_CONTAINER)
    workers = Pods(
        CPU_GROUP, resources.workers, WORKER_CONTAINER, settings.image_cpu, defaults=(every_worker, templates.workers)
    )
    if not resources.accelerator:
        return [head, workers]
    where = placement(resources.accelerator, settings)
    own = templates.gpu if resources.accelerator.type == "gpu" else templates.npu
    defaults = (where.template(WORKER_CONTAINER), every_worker, own)
    accelerator = Pods(ACCELERATOR_GROUP, resources.accelerator, WORKER_CONTAINER, where.image, where.limits, defaults)
    return [head, workers, accelerator]


def _worker_groups(spec: DataJobSpec, settings: JobSettings, templates: Mapping[str, Manifest]) -> list[Manifest]:
    workers, accelerator, queued = spec.resources.workers, spec.resources.accelerator, bool(spec.queue_name)
    groups = [worker_group(CPU_GROUP, workers, _size(workers, queued), {}, templates[CPU_GROUP])]
    if accelerator:
        params = placement(accelerator, settings).ray_start_params
        size = _size(accelerator, queued)
        groups.append(worker_group(ACCELERATOR_GROUP, accelerator, size, params, templates[ACCELERATOR_GROUP]))
    return groups


def _size(group: WorkerGroup, queued: bool) -> tuple[int, int]:
    """Minimum and maximum number of workers. A queue admits a fixed size."""
    return (group.max if queued else group.min), group.max
