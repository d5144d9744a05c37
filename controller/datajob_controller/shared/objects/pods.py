"""The pods of a Ray cluster: one container each, with the least privileges that it needs.

A pod template is merged from these parts, of which later ones take precedence: what every pod has, the templates in the
settings, `spec.runtime`, the fields of the group, its `podTemplate`, and what belongs to the controller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datajob.api.contract import AGENT_PORT, ENV_POD, LABEL_UID, TMP_FOLDER
from datajob.api.placement import PodGroup, TopologySpread
from datajob.api.resources import PodRuntime
from datajob_controller.runtime.manifests import Manifest, labels
from datajob_controller.shared.objects.merge import merged
from datajob_controller.shared.objects.scratch import disk, mounts, scratch_mounts, scratch_volume, volumes
from datajob_controller.shared.settings import PodSettings

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
    readiness_probe: Manifest = field(default_factory=lambda: READINESS_PROBE)
    ports: tuple[Manifest, ...] = ()
    """Ports of the container; KubeRay adds its own if there are none."""
    drain_seconds: int = 0
    """How long a pod that is being deleted continues before its container is asked to stop."""
    grace_seconds: int | None = None
    """Grace period for the termination of the pods, by default the setting."""


@dataclass(frozen=True)
class Context:
    """What all pods of a Ray cluster have in common."""

    owner: Manifest
    """The DataJob or the ModelService that they belong to."""
    runtime: PodRuntime
    settings: PodSettings
    account: str
    """Their ServiceAccount."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that the controller sets."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels in addition to those of every object of the owner."""
    volumes: tuple[tuple[Manifest, Manifest], ...] = ()
    """Volumes of the controller with their mounts."""


def pod_template(context: Context, pods: Pods) -> Manifest:
    """The template of the pods of a group."""
    return merged(
        _base(context, pods),
        *pods.defaults,
        _of_runtime(context.runtime, pods),
        _of_group(context.owner, pods),
        pods.group.pod_template or {},
        _owned(context, pods),
    )


def limits(requests: Mapping[str, str], settings: PodSettings) -> dict[str, str]:
    """Limits for the requests of a container. CPU is not limited by default, so that Ray can start on idle cores."""
    return {name: amount for name, amount in requests.items() if name != "cpu" or settings.cpu_limits}


def _base(context: Context, pods: Pods) -> Manifest:
    settings = context.settings
    container = {
        "name": pods.container,
        "image": context.runtime.image or pods.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": [{"name": "HOME", "value": TMP_FOLDER}],
        "readinessProbe": pods.readiness_probe,
        "securityContext": SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *(mount for _, mount in context.volumes),
            *scratch_mounts(PodGroup(), autoscaler=pods.autoscaler),
        ],
        **({"ports": list(pods.ports)} if pods.ports else {}),
        **({"lifecycle": _delayed_stop(pods.drain_seconds)} if pods.drain_seconds else {}),
    }
    user = settings.run_as_user
    return {
        "spec": {
            "terminationGracePeriodSeconds": pods.grace_seconds or settings.termination_grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                **({} if user is None else {"runAsUser": user, "fsGroup": user}),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [*(volume for volume, _ in context.volumes), scratch_volume(None)],
        }
    }


def _delayed_stop(seconds: int) -> Manifest:
    return {"preStop": {"exec": {"command": ["sleep", str(seconds)]}}}


def _of_runtime(runtime: PodRuntime, pods: Pods) -> Manifest:
    own = _lists({"env": runtime.env, "envFrom": runtime.env_from, "volumeMounts": runtime.volume_mounts})
    pod = _lists({"volumes": runtime.volumes, "imagePullSecrets": _names(runtime.image_pull_secrets)})
    return {"spec": {**pod, "containers": [{"name": pods.container, **own}]}}


def _lists(fields: Mapping[str, Sequence[Manifest]]) -> Manifest:
    return {name: list(entries) for name, entries in fields.items() if entries}


def _names(names: Sequence[str]) -> list[Manifest]:
    return [{"name": name} for name in names]


def _of_group(owner: Manifest, pods: Pods) -> Manifest:
    """The typed fields of a group as a template."""
    group = pods.group
    own_pods = {"matchLabels": {LABEL_UID: owner["metadata"]["uid"], RAY_GROUP: pods.name}}
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


def _owned(context: Context, pods: Pods) -> Manifest:
    request, limit = disk(pods.group)
    requests = {"cpu": pods.group.cpu, "memory": pods.group.memory, **pods.devices}
    container = {
        "name": pods.container,
        "env": [
            *({"name": name, "value": value} for name, value in context.variables.items()),
            *([POD_NAME] if pods.group.shares_scratch else []),
        ],
        "resources": {
            "requests": requests | ({DISK: request} if request else {}),
            "limits": limits(requests, context.settings) | ({DISK: limit} if limit else {}),
        },
    }
    return {
        "metadata": {"labels": {**labels(context.owner), **context.labels}},
        "spec": {
            # A terminated container is not restarted in place: the controller must see it, count it and apply the backoff.
            "restartPolicy": "Never",
            "serviceAccountName": context.account,
            "automountServiceAccountToken": pods.token,
            "containers": [container],
        },
    }
