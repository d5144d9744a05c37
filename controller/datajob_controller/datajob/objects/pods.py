"""The pods of a job: one container each, with the least privileges that it needs.

A pod template is merged from these parts, of which later ones take precedence: what every pod has, the templates in the
settings, `spec.runtime`, the fields of the group, its `podTemplate`, and what belongs to the controller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datajob.api.contract import (
    AGENT_PORT,
    ENV_ATTEMPT,
    ENV_JOB_ID,
    ENV_NAMESPACE,
    ENV_POD,
    ENV_REPORT_CONFIGMAP,
    ENV_RUN_ID,
    ENV_SHOW_ROWS,
    JOB_FOLDER,
    LABEL_ATTEMPT,
    LABEL_UID,
    TMP_FOLDER,
)
from datajob.api.placement import PodGroup, TopologySpread
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import job_config, public_job_id, report_config
from datajob_controller.datajob.objects.merge import merged
from datajob_controller.datajob.objects.rbac import service_account_name
from datajob_controller.datajob.objects.scratch import disk, mounts, scratch_mounts, scratch_volume, volumes
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, labels

JOB_VOLUME = "datajob-job"
RAY_GROUP = "ray.io/group"
"""Label of KubeRay with the name of the group."""
SECURITY_CONTEXT: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
READINESS_PROBE: Manifest = {
    "httpGet": {"path": "/api/local_raylet_healthz", "port": AGENT_PORT},
    "periodSeconds": 2,
    "timeoutSeconds": 5,
    "failureThreshold": 10,
}
"""The same check as KubeRay's default probe, but immediately and more often, since KubeRay submits when all pods are ready."""
DISK = "ephemeral-storage"
POD_NAME: Manifest = {"name": ENV_POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


@dataclass(frozen=True)
class Pods:
    """The pods of one group."""

    name: str
    """Name of the group in KubeRay."""
    group: PodGroup
    container: str
    image: str
    devices: Mapping[str, str] = field(default_factory=dict)
    """Accelerators of each pod."""
    defaults: tuple[Manifest, ...] = ()
    """Templates from the settings."""
    token: bool = False
    """Whether the pods may access the API server."""
    autoscaler: bool = False
    """Whether KubeRay adds the container of the autoscaler."""


@dataclass(frozen=True)
class Attempt:
    """The attempt that the pods belong to."""

    datajob: Manifest
    spec: DataJobSpec
    settings: JobSettings
    run: str
    number: int
    run_id: str


def pod_template(attempt: Attempt, pods: Pods) -> Manifest:
    """The template of the pods of a group."""
    return merged(
        _base(attempt, pods),
        *pods.defaults,
        _of_runtime(attempt.spec, pods),
        _of_group(attempt.datajob, pods),
        pods.group.pod_template or {},
        _owned(attempt, pods),
    )


def limits(requests: Mapping[str, str], settings: JobSettings) -> dict[str, str]:
    """Limits for the requests of a container. CPU is not limited by default, so that Ray can start on idle cores."""
    return {name: amount for name, amount in requests.items() if name != "cpu" or settings.cpu_limits}


def _base(attempt: Attempt, pods: Pods) -> Manifest:
    settings = attempt.settings
    container = {
        "name": pods.container,
        "image": attempt.spec.runtime.image or pods.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": [{"name": "HOME", "value": TMP_FOLDER}],
        "readinessProbe": READINESS_PROBE,
        "securityContext": SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": JOB_VOLUME, "mountPath": JOB_FOLDER, "readOnly": True},
            *scratch_mounts(PodGroup(), autoscaler=pods.autoscaler),
        ],
    }
    return {
        "spec": {
            "terminationGracePeriodSeconds": settings.termination_grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                **(
                    {} if settings.run_as_user is None else {"runAsUser": settings.run_as_user, "fsGroup": settings.run_as_user}
                ),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": JOB_VOLUME, "configMap": {"name": job_config(attempt.run)}}, scratch_volume(None)],
        }
    }


def _of_runtime(spec: DataJobSpec, pods: Pods) -> Manifest:
    runtime = spec.runtime
    own = _lists({"env": runtime.env, "envFrom": runtime.env_from, "volumeMounts": runtime.volume_mounts})
    pod = _lists({"volumes": runtime.volumes, "imagePullSecrets": _names(runtime.image_pull_secrets)})
    return {"spec": {**pod, "containers": [{"name": pods.container, **own}]}}


def _lists(fields: Mapping[str, Sequence[Manifest]]) -> Manifest:
    return {name: list(entries) for name, entries in fields.items() if entries}


def _names(names: Sequence[str]) -> list[Manifest]:
    return [{"name": name} for name in names]


def _of_group(datajob: Manifest, pods: Pods) -> Manifest:
    """The typed fields of a group as a template."""
    group = pods.group
    own_pods = {"matchLabels": {LABEL_UID: datajob["metadata"]["uid"], RAY_GROUP: pods.name}}
    fields = group.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    spec: Manifest = {
        name: fields[name]
        for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "runtimeClassName", "schedulerName")
        if name in fields
    }
    if group.topology_spread_constraints:
        spec["topologySpreadConstraints"] = [_spread(one, own_pods) for one in group.topology_spread_constraints]
    if group.image_pull_secrets:
        spec["imagePullSecrets"] = _names(group.image_pull_secrets)
    if own_volumes := volumes(group):
        own_mounts = mounts(group, autoscaler=pods.autoscaler)
        spec |= {"volumes": own_volumes, "containers": [{"name": pods.container, "volumeMounts": own_mounts}]}
    metadata = {name: fields[name] for name in ("labels", "annotations") if name in fields}
    return {"metadata": metadata, "spec": spec}


def _spread(constraint: TopologySpread, own_pods: Manifest) -> Manifest:
    required = {"maxSkew": constraint.max_skew, "whenUnsatisfiable": constraint.when_unsatisfiable, "labelSelector": own_pods}
    return required | constraint.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _owned(attempt: Attempt, pods: Pods) -> Manifest:
    request, limit = disk(pods.group)
    requests = {"cpu": pods.group.cpu, "memory": pods.group.memory, **pods.devices}
    variables = {
        ENV_RUN_ID: attempt.run_id,
        ENV_JOB_ID: public_job_id(attempt.datajob["metadata"]["uid"]),
        ENV_ATTEMPT: str(attempt.number),
        ENV_SHOW_ROWS: str(attempt.settings.show_row_contents).lower(),
        ENV_NAMESPACE: attempt.datajob["metadata"]["namespace"],
        ENV_REPORT_CONFIGMAP: report_config(attempt.run),
    }
    container = {
        "name": pods.container,
        "env": [
            *({"name": name, "value": value} for name, value in variables.items()),
            *([POD_NAME] if pods.group.shares_scratch else []),
        ],
        "resources": {
            "requests": requests | ({DISK: request} if request else {}),
            "limits": limits(requests, attempt.settings) | ({DISK: limit} if limit else {}),
        },
    }
    return {
        "metadata": {"labels": {**labels(attempt.datajob), LABEL_ATTEMPT: str(attempt.number)}},
        "spec": {
            # A terminated container is not restarted in place: the controller must see it, count it and apply the backoff.
            "restartPolicy": "Never",
            "serviceAccountName": service_account_name(attempt.spec, attempt.run),
            "automountServiceAccountToken": pods.token,
            "containers": [container],
        },
    }
