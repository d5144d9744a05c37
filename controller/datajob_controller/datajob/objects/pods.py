"""The pods of a job: one container each, with the least privileges that it needs."""

from collections.abc import Mapping
from typing import Any

from datajob.api.contract import (
    AGENT_PORT,
    ENV_ATTEMPT,
    ENV_NAMESPACE,
    ENV_REPORT_CONFIGMAP,
    ENV_RUN_ID,
    JOB_FOLDER,
    LABEL_ATTEMPT,
)
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import job_config, report_config
from datajob_controller.datajob.objects.rbac import service_account_name
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, labels

JOB_VOLUME = "datajob-job"
TMP_VOLUME = "datajob-tmp"

SECURITY_CONTEXT: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
TMP_MOUNT: Manifest = {"name": TMP_VOLUME, "mountPath": "/tmp"}
READINESS_PROBE: Manifest = {
    "httpGet": {"path": "/api/local_raylet_healthz", "port": AGENT_PORT},
    "periodSeconds": 2,
    "timeoutSeconds": 5,
    "failureThreshold": 10,
}
"""The same check as KubeRay's default probe, but immediately and more often, since KubeRay submits when all pods are ready."""


def pod_template(
    datajob: Manifest,
    spec: DataJobSpec,
    settings: JobSettings,
    run: str,
    attempt: int,
    run_id: str,
    *,
    container: str,
    image: str,
    resources: Mapping[str, str],
    token: bool,
    env: list[Manifest] | None = None,
    node_selector: Mapping[str, str] | None = None,
    tolerations: list[Manifest] | None = None,
) -> Manifest:
    """A pod template; `resources` are its requests, `token` is whether it may access the API server."""
    runtime = spec.runtime
    pod: dict[str, Any] = {
        # A terminated container is not restarted in place: the controller must see it, count it and apply the backoff.
        "restartPolicy": "Never",
        "serviceAccountName": service_account_name(spec, run),
        "automountServiceAccountToken": token,
        "terminationGracePeriodSeconds": settings.termination_grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            **({} if settings.run_as_user is None else {"runAsUser": settings.run_as_user, "fsGroup": settings.run_as_user}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            _container(spec, settings, container, image, resources, _env(datajob, spec, run, attempt, run_id, env or [])),
        ],
        "volumes": [
            {"name": JOB_VOLUME, "configMap": {"name": job_config(run)}},
            {"name": TMP_VOLUME, "emptyDir": {}},
            *runtime.volumes,
        ],
    }
    if runtime.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in runtime.image_pull_secrets]
    if node_selector:
        pod["nodeSelector"] = dict(node_selector)
    if tolerations:
        pod["tolerations"] = tolerations
    return {"metadata": {"labels": {**labels(datajob), LABEL_ATTEMPT: str(attempt)}}, "spec": pod}


def _container(
    spec: DataJobSpec, settings: JobSettings, name: str, image: str, resources: Mapping[str, str], env: list[Manifest]
) -> Manifest:
    runtime = spec.runtime
    return {
        "name": name,
        "image": runtime.image or image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": env,
        "envFrom": list(runtime.env_from),
        "resources": {"requests": dict(resources), "limits": limits(resources, settings)},
        "readinessProbe": READINESS_PROBE,
        "securityContext": SECURITY_CONTEXT,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": JOB_VOLUME, "mountPath": JOB_FOLDER, "readOnly": True},
            TMP_MOUNT,
            *runtime.volume_mounts,
        ],
    }


def limits(resources: Mapping[str, str], settings: JobSettings) -> dict[str, str]:
    """Limits for the requests of a container. CPU is not limited by default, so that Ray can start on idle cores."""
    return {name: amount for name, amount in resources.items() if name != "cpu" or settings.cpu_limits}


def _env(datajob: Manifest, spec: DataJobSpec, run: str, attempt: int, run_id: str, group: list[Manifest]) -> list[Manifest]:
    """The environment of the user, of the group and of the controller; the last value of a name wins."""
    meta = datajob["metadata"]
    own = {
        ENV_RUN_ID: run_id,
        ENV_ATTEMPT: str(attempt),
        ENV_NAMESPACE: meta["namespace"],
        ENV_REPORT_CONFIGMAP: report_config(run),
        "HOME": "/tmp",
    }
    every = [*spec.runtime.env, *group, *({"name": name, "value": value} for name, value in own.items())]
    return list({entry.get("name"): entry for entry in every}.values())
