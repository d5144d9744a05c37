"""The RayService of a ModelService. Each worker pod runs one replica, so Ray's autoscaler turns replicas into pods."""

from datajob.api.contract import HEAD_CONTAINER, WORKER_CONTAINER
from datajob.api.service.service import PORT
from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.modelservice.names import APPLICATION_PORT, CONFIG, HARDWARE, KEYS_FOLDER, LIVE, REVISION
from datajob_controller.modelservice.objects.serveconfig import serve_config
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.modelservice.specs import CheckedSpec
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.shared.digests import digest
from datajob_controller.shared.names import ACCELERATOR_GROUP, CPU_GROUP
from datajob_controller.shared.objects.accelerators import placement
from datajob_controller.shared.objects.cluster import HEAD_GROUP, autoscaler, head_group, worker_group
from datajob_controller.shared.objects.pods import Context, Pods, pod_template

HEALTH_PATH = "/-/healthz"
READINESS_PROBE: Manifest = {
    "httpGet": {"path": HEALTH_PATH, "port": PORT},
    "periodSeconds": 2,
    "timeoutSeconds": 5,
    "failureThreshold": 8,
}
"""A worker is ready when its proxy can reach a replica. KubeRay adds this check only to pods that have none.

Ray Serve stops an old replica as soon as a new one runs. The proxy of the old one still answers, so its pod receives requests
until the pod of the new one is ready, too.
"""
PROXY_DRAIN_SECONDS = 60
"""How long a proxy without a replica continues: much longer than until its pod is not ready."""
VARIABLES = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": str(PROXY_DRAIN_SECONDS),
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
}
"""HAProxy instead of a proxy in Python: twice the requests per second, and a third of the time to the first token.

A client that sends nothing more of its request, or reads nothing of its reply, is disconnected after a minute, not an hour."""
DRAIN_SECONDS = 20
"""How long a deleted worker still accepts connections: until every node of the cluster sends requests to other pods."""
DELETION_DELAY_SECONDS = 60
"""How long the previous cluster completes its requests after a switch to a new one."""


def ray_service(service: Manifest, checked: CheckedSpec, spec: ModelServiceSpec, settings: ServiceSettings) -> Manifest:
    """The RayService, with digests of the parts of the spec that it was made from."""
    name = service["metadata"]["name"]
    config = serve_config(name, checked.stored, spec)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": metadata(service, name) | {"annotations": {**digests(checked), CONFIG: digest(config)}},
        "spec": {
            "serveConfigV2": config,
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterDeletionDelaySeconds": DELETION_DELAY_SECONDS,
            "excludeHeadPodFromServeSvc": spec.replicas.min > 0,  # without replicas, only the head receives requests
            "rayClusterConfig": ray_cluster(service, checked, spec, settings),
        },
    }


def digests(checked: CheckedSpec) -> dict[str, str]:
    """The annotations by which an edit is recognized."""
    return {REVISION: checked.revision, HARDWARE: checked.hardware, LIVE: checked.live}


def group_size(spec: ModelServiceSpec) -> tuple[int, int]:
    """The minimum and maximum number of worker pods. An update with `surge` starts new replicas before it stops old ones."""
    replicas = spec.replicas
    return replicas.min, replicas.max * (2 if spec.update == "surge" else 1)


def ray_cluster(service: Manifest, checked: CheckedSpec, spec: ModelServiceSpec, settings: ServiceSettings) -> Manifest:
    """The Ray cluster. KubeRay starts a new one if anything but the number of workers changes."""
    resources, templates = spec.resources, settings.pod_templates
    context = _context(service, spec, settings)
    head = Pods(
        HEAD_GROUP,
        resources.head,
        HEAD_CONTAINER,
        settings.image_cpu,
        defaults=(templates.of_all(HEAD_CONTAINER), templates.head),
        token=True,  # for the autoscaler
        autoscaler=True,
        grace_seconds=settings.service_grace_seconds,
    )
    workers, params = _workers(spec, settings)
    template = pod_template(context, head)
    if spec.update == "newCluster":
        template["metadata"].setdefault("annotations", {})[REVISION] = checked.revision
    return {
        "rayVersion": settings.ray_version,
        "authOptions": {"mode": "token"},
        "headGroupSpec": head_group(resources.head, template),
        "workerGroupSpecs": [
            worker_group(workers.name, workers.group, group_size(spec), params, pod_template(context, workers)),
        ],
        **autoscaler(resources.head, settings),
    }


def _workers(spec: ModelServiceSpec, settings: ServiceSettings) -> tuple[Pods, dict[str, str]]:
    """The pods of replicas, and what describes them to Ray."""
    resources, templates = spec.resources, settings.pod_templates
    every_worker = templates.of_all(WORKER_CONTAINER)
    name, group, image, devices = CPU_GROUP, resources.workers, settings.image_cpu, {}
    defaults: tuple[Manifest, ...] = (every_worker, templates.workers)
    params: dict[str, str] = {}
    if resources.accelerator:
        where = placement(resources.accelerator, settings)
        own = templates.gpu if resources.accelerator.type == "gpu" else templates.npu
        name, image, devices, params = ACCELERATOR_GROUP, where.image, where.limits, where.ray_start_params
        defaults = (where.template(WORKER_CONTAINER), every_worker, own)
    pods = Pods(
        name,
        resources.accelerator or group,
        WORKER_CONTAINER,
        image,
        devices,
        defaults,
        readiness_probe=READINESS_PROBE,
        ports=({"name": APPLICATION_PORT, "containerPort": PORT},),
        drain_seconds=DRAIN_SECONDS,
        grace_seconds=settings.service_grace_seconds,
    )
    return pods, params


def _context(service: Manifest, spec: ModelServiceSpec, settings: ServiceSettings) -> Context:
    keys: tuple[tuple[Manifest, Manifest], ...] = ()
    if spec.auth.secret_name:
        volume = {"name": "datajob-keys", "secret": {"secretName": spec.auth.secret_name}}
        keys = ((volume, {"name": "datajob-keys", "mountPath": KEYS_FOLDER, "readOnly": True}),)
    account = spec.runtime.service_account_name or service["metadata"]["name"]
    return Context(service, spec.runtime, settings, account, VARIABLES, volumes=keys)
