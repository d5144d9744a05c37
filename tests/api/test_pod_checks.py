"""What a job can set in its pods, and what belongs to the controller or to KubeRay."""

from typing import Any

import pytest

from datajob.api.loading import parse_object
from datajob.api.pod_checks import pod_problems

TEMPLATE = "spec.resources.workers.podTemplate"
SIDECAR = {"name": "proxy", "image": "envoy:1", "ports": [{"containerPort": 9901}]}
WORKER = "ray-worker"


def document(**spec: Any) -> dict[str, Any]:
    sink = {"parquet": {"path": "s3://out/"}}
    return {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {"name": "a"},
        "spec": {"sources": [{"parquet": {"paths": ["s3://in/"]}}], "sink": sink, **spec},
    }


def said(**spec: Any) -> list[str]:
    """The problems of a job."""
    job, problems = parse_object(document(**spec))
    return [str(problem) for problem in [*problems, *(pod_problems(job.spec) if job else ())]]


def with_template(**spec: Any) -> list[str]:
    return said(resources={"workers": {"podTemplate": {"spec": spec}}})


def in_ray(**fields: Any) -> list[str]:
    return with_template(containers=[{"name": WORKER, **fields}])


def in_sidecar(**fields: Any) -> list[str]:
    return with_template(containers=[{**SIDECAR, **fields}])


def test_a_complete_placement_is_valid_for_every_group() -> None:
    requirement = {"key": "zone", "operator": "In", "values": ["a"]}
    placement = {
        "nodeSelector": {"pool": "data"},
        "tolerations": [{"key": "data", "operator": "Exists"}, {"operator": "Exists"}, {"key": "a", "value": "b"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
                ]
            },
        },
        "topologySpreadConstraints": [{"topologyKey": "zone"}],
        "priorityClassName": "batch",
        "runtimeClassName": "nvidia",
        "schedulerName": "volcano",
        "imagePullSecrets": ["registry"],
        "labels": {"team": "a"},
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        "scratch": {"size": "10Gi", "storageClassName": "fast"},
        "ephemeralStorage": "1Gi",
        "sharedMemory": "1Gi",
        "podTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [SIDECAR]}},
    }
    accelerator = {"type": "npu", **placement}
    assert said(resources={"head": placement, "workers": placement, "accelerator": accelerator}) == []


REFUSED: dict[str, tuple[list[str], str]] = {
    "a variable of KubeRay": (
        said(runtime={"env": [{"name": "RAY_AUTH_MODE", "value": "disabled"}]}),
        "spec.runtime.env[0].name: the variable `RAY_AUTH_MODE` is set by KubeRay and cannot be changed",
    ),
    "a variable of the controller": (
        said(runtime={"env": [{"name": "DATAJOB_EXECUTER", "value": "ray"}]}),
        "spec.runtime.env[0].name: the variable `DATAJOB_EXECUTER` is reserved for the controller; "
        "did you mean `DATAJOB_EXECUTOR`?",
    ),
    "a variable without a name": (
        said(runtime={"env": [{"value": "x"}]}),
        "spec.runtime.env[0]: must be a mapping with the key `name`",
    ),
    "a variable in the template": (
        in_ray(env=[{"name": "RAY_AUTH_TOKEN", "value": "x"}]),
        f"{TEMPLATE}.spec.containers[0].env[0].name: the variable `RAY_AUTH_TOKEN` is set by KubeRay and cannot be changed",
    ),
    "a volume of the controller": (
        said(runtime={"volumes": [{"name": "datajob-tmp", "emptyDir": {}}]}),
        "spec.runtime.volumes[0].name: `datajob-tmp` is a volume of the controller or of KubeRay; choose another name",
    ),
    "two volumes of one name": (
        said(runtime={"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}),
        "spec.runtime.volumes[1].name: two volumes have the name `a`",
    ),
    "a mount at /tmp": (
        said(runtime={"volumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}),
        "spec.runtime.volumeMounts[0].mountPath: `/tmp` is a volume of the controller; set `scratch` of the group instead",
    ),
    "a mount at /dev/shm": (
        in_ray(volumeMounts=[{"name": "a", "mountPath": "/dev/shm"}]),
        f"{TEMPLATE}.spec.containers[0].volumeMounts[0].mountPath: `/dev/shm` is a volume of the controller; "
        "set `sharedMemory` of the group instead",
    ),
    "two mounts at one path": (
        said(runtime={"volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a/"}]}),
        "spec.runtime.volumeMounts[1].mountPath: two volumes are mounted at `/a`",
    ),
    "a label of the controller": (
        said(resources={"head": {"labels": {"datajob.io/uid": "x"}}}),
        "spec.resources.head.labels.datajob.io/uid: is set by the controller or by KubeRay and cannot be changed",
    ),
    "the label of the KubeRay operator": (
        said(resources={"workers": {"labels": {"app.kubernetes.io/component": "kuberay-operator"}}}),
        "spec.resources.workers.labels.app.kubernetes.io/component: is set by the controller or by KubeRay and cannot be "
        "changed",
    ),
    "an annotation that replaces the command": (
        said(resources={"head": {"annotations": {"ray.io/overwrite-container-cmd": "true"}}}),
        "spec.resources.head.annotations.ray.io/overwrite-container-cmd: is set by the controller or by KubeRay and cannot be "
        "changed",
    ),
    "the same annotation on the RayJob": (
        said(runtime={"rayJobAnnotations": {"ray.io/overwrite-container-cmd": "true"}}),
        "spec.runtime.rayJobAnnotations.ray.io/overwrite-container-cmd: is set by the controller or by KubeRay and cannot be "
        "changed",
    ),
    "an invalid value of a label": (
        said(resources={"head": {"labels": {"team": "data science"}}}),
        "spec.resources.head.labels.team: `data science` is not a valid label value; use at most 63 letters",
    ),
    "an invalid name of a label": (
        said(resources={"head": {"podTemplate": {"metadata": {"labels": {"my team": "a"}}}}}),
        "spec.resources.head.podTemplate.metadata.labels.my team: `my team` is not a valid name of a label or an annotation",
    ),
    "the queue as a label": (
        said(runtime={"rayJobLabels": {"kueue.x-k8s.io/queue-name": "q"}}),
        "spec.runtime.rayJobLabels.kueue.x-k8s.io/queue-name: is set by the controller; set `spec.queueName` instead",
    ),
    "a typo in a template": (
        with_template(nodeSelectr={}),
        f"{TEMPLATE}.spec.nodeSelectr: unknown key `nodeSelectr`; did you mean",
    ),
    "a typo in a container": (
        in_sidecar(imag="x"),
        f"{TEMPLATE}.spec.containers[0].imag: unknown key `imag`; did you mean `image`?",
    ),
    "a template without spec": (
        said(resources={"workers": {"podTemplate": {"containers": []}}}),
        f"{TEMPLATE}.containers: unknown key `containers`",
    ),
    "a name in a template": (
        said(resources={"workers": {"podTemplate": {"metadata": {"name": "x"}}}}),
        f"{TEMPLATE}.metadata.name: unknown key `name`",
    ),
    "containers that are a mapping": (with_template(containers={"a": {}}), f"{TEMPLATE}.spec.containers: must be a list"),
    "a container without a name": (
        with_template(containers=[{"image": "x"}]),
        f"{TEMPLATE}.spec.containers[0]: must be a mapping with the key `name`",
    ),
    "a container that is text": (
        with_template(containers=["x"]),
        f"{TEMPLATE}.spec.containers[0]: must be a mapping with the key `name`",
    ),
    "the container of the head": (
        with_template(containers=[{"name": "ray-head"}]),
        f"{TEMPLATE}.spec.containers[0].name: the Ray container of this group is `ray-worker`",
    ),
    "a container of KubeRay": (
        with_template(initContainers=[{"name": "wait-gcs-ready"}]),
        f"{TEMPLATE}.spec.initContainers[0].name: `wait-gcs-ready` is a container of KubeRay",
    ),
    "the Ray container as an init container": (
        with_template(initContainers=[{"name": WORKER}]),
        f"{TEMPLATE}.spec.initContainers[0].name: `ray-worker` is the Ray container, which must be in `containers`",
    ),
    "the removal of the Ray container": (
        in_ray(**{"$patch": "delete"}),
        f"{TEMPLATE}.spec.containers[0]: the Ray container cannot be removed",
    ),
    "another directive": (
        with_template(**{"$patch": "replace"}),
        f"{TEMPLATE}.spec.$patch: only `$patch: delete` in an entry of a list that is merged by a key is supported",
    ),
    "a null": (with_template(securityContext=None), f"{TEMPLATE}.spec.securityContext: must not be null"),
    "memory in a template": (
        in_ray(resources={"limits": {"memory": "1Ti"}}),
        f"{TEMPLATE}.spec.containers[0].resources.limits.memory: cannot be set in a template; "
        "set `memory` of the group instead",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_belongs_to_the_controller_is_refused(name: str) -> None:
    problems, message = REFUSED[name]
    assert len(problems) == 1, problems
    assert problems[0].startswith(message)


@pytest.mark.parametrize(
    "field",
    [
        "restartPolicy",
        "serviceAccountName",
        "serviceAccount",
        "automountServiceAccountToken",
        "activeDeadlineSeconds",
        "nodeName",
    ],
)
def test_a_template_cannot_set_fields_of_the_controller(field: str) -> None:
    (problem,) = with_template(**{field: "x"})
    assert problem.startswith(f"{TEMPLATE}.spec.{field}: cannot be set in a template; ")


@pytest.mark.parametrize("field", ["command", "args", "ports", "image", "imagePullPolicy", "terminationMessagePolicy"])
def test_a_template_cannot_set_these_fields_of_the_ray_container(field: str) -> None:
    problems = in_ray(**{field: []})
    assert problems[0].startswith(f"{TEMPLATE}.spec.containers[0].{field}: cannot be set in a template; ")
    assert in_sidecar(**{field: []}) == []


WEAK: dict[str, list[str]] = {
    "host network": with_template(hostNetwork=True),
    "host processes": with_template(hostPID=True),
    "host IPC": with_template(hostIPC=True),
    "root": with_template(securityContext={"runAsUser": 0}),
    "perhaps root": with_template(securityContext={"runAsNonRoot": False}),
    "sysctls": with_template(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
    "no seccomp": with_template(securityContext={"seccompProfile": {"type": "Unconfined"}}),
    "a privileged sidecar": in_sidecar(securityContext={"privileged": True}),
    "a sidecar that is root": in_sidecar(securityContext={"runAsUser": 0}),
    "a host port": in_sidecar(ports=[{"containerPort": 1, "hostPort": 1}]),
    "a privileged init container": with_template(initContainers=[{**SIDECAR, "securityContext": {"privileged": True}}]),
    "privilege escalation": in_ray(securityContext={"allowPrivilegeEscalation": True}),
    "a capability": in_ray(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
    "fewer dropped capabilities": in_ray(securityContext={"capabilities": {"drop": []}}),
    "a writable root": in_ray(securityContext={"readOnlyRootFilesystem": False}),
    "unmasked processes": in_ray(securityContext={"procMount": "Unmasked"}),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_job_cannot_reduce_the_security_of_its_pods(name: str) -> None:
    (problem,) = WEAK[name]
    assert "reduces the security of the pod" in problem


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "`operator: Exists` does not allow a `value`"),
        ({"tolerations": [{"value": "b"}]}, "without a `key`, `operator: Exists` is required"),
        ({"tolerations": [{"key": "a", "efect": "NoSchedule"}]}, "did you mean `effect`?"),
        ({"affinity": {"nodeAffinty": {}}}, "did you mean `nodeAffinity`?"),
        ({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "`topologyKey` is missing"),
        ({"scratch": {}}, "exactly one of `size` and `claimName` is required"),
        ({"scratch": {"size": "1Gi", "claimName": "a"}}, "exactly one of `size` and `claimName` is required"),
        ({"scratch": {"claimName": "a", "storageClassName": "b"}}, "`storageClassName` requires `size`"),
        ({"runtimeClassName": ""}, "must have at least 1 character"),
    ],
)
def test_an_invalid_placement_is_refused(placement: dict[str, Any], message: str) -> None:
    (problem,) = said(resources={"head": placement})
    assert problem.startswith("spec.resources.head.") and message in problem
