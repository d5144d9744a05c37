"""The placement of pods on a real API server: what a RayJob keeps of it, and what is refused before there are pods."""

from typing import Any

import pytest

from datajob_controller.shared.objects.pods import RAY_GROUP
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess

PLACEMENT: dict[str, Any] = {
    "nodeSelector": {"pool": "data"},
    "tolerations": [{"key": "data", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "gen", "operator": "Gt", "values": ["3"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 5, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}}
            ]
        },
    },
    "priorityClassName": "batch",
    "runtimeClassName": "nvidia",
    "schedulerName": "volcano",
    "labels": {"team": "a"},
    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
}
"""Fields that the pods have in the same form."""
SIDECAR = {
    "name": "proxy",
    "image": "envoy:1",
    "ports": [{"containerPort": 9901, "protocol": "TCP"}],
    "livenessProbe": {"tcpSocket": {"port": 9901}},
    "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "true"]}}},
}
TEMPLATE = {
    "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
    "spec": {
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["lake"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "initContainers": [{**SIDECAR, "name": "log", "restartPolicy": "Always"}],
        "containers": [SIDECAR],
        "volumes": [{"name": "driver", "hostPath": {"path": "/usr/local/Ascend/driver"}}],
    },
}


def templates(ray_job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod templates by group."""
    cluster = ray_job["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"headgroup": cluster["headGroupSpec"]["template"], **groups}


@pytest.mark.parametrize("kind", ["gpu", "npu"])
def test_the_pods_of_every_group_keep_every_field(jobs: Jobs, controller: ControllerProcess, kind: str) -> None:
    group = {
        **PLACEMENT,
        "topologySpreadConstraints": [{"topologyKey": "zone", "minDomains": 2, "nodeTaintsPolicy": "Honor"}],
        "imagePullSecrets": ["team"],
        "scratch": {"size": "20Gi", "storageClassName": "nvme"},
        "ephemeralStorage": "2Gi",
        "sharedMemory": "1Gi",
        "podTemplate": TEMPLATE,
    }
    jobs.apply(resources={"head": group, "workers": group, "accelerator": {"type": kind, **group}})
    ray_job = jobs.ray_job()
    for name, template in templates(ray_job).items():
        spec, meta = template["spec"], template["metadata"]
        for field in ("affinity", "priorityClassName", "runtimeClassName", "schedulerName"):
            assert spec[field] == PLACEMENT[field], (name, field)
        assert PLACEMENT["nodeSelector"].items() <= spec["nodeSelector"].items()
        assert PLACEMENT["tolerations"][0] in spec["tolerations"]
        assert PLACEMENT["labels"].items() <= meta["labels"].items()
        assert meta["annotations"] == {**PLACEMENT["annotations"], **TEMPLATE["metadata"]["annotations"]}
        (spread,) = spec["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"][RAY_GROUP] == name
        assert (spread["minDomains"], spread["nodeTaintsPolicy"]) == (2, "Honor")
        assert spec["imagePullSecrets"] == [{"name": "team"}]
        assert spec["containers"][1:] == [SIDECAR]
        assert spec["initContainers"] == TEMPLATE["spec"]["initContainers"]
        assert (spec["hostAliases"], spec["dnsConfig"]) == (TEMPLATE["spec"]["hostAliases"], TEMPLATE["spec"]["dnsConfig"])
        volumes = {one["name"]: one for one in spec["volumes"]}
        assert volumes["driver"] == TEMPLATE["spec"]["volumes"][0]
        assert volumes["datajob-tmp"]["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"] == "nvme"
        assert volumes["datajob-shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
        assert spec["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "2Gi"


def test_labels_for_queues_and_gang_schedulers_are_on_the_ray_job(jobs: Jobs, controller: ControllerProcess) -> None:
    labels = {"ray.io/gang-scheduling-enabled": "true", "ray.io/priority-class-name": "high", "volcano.sh/queue-name": "q"}
    jobs.apply(runtime={"rayJobLabels": labels, "rayJobAnnotations": {"kueue.x-k8s.io/note": "x"}})
    meta = jobs.ray_job()["metadata"]
    assert labels.items() <= meta["labels"].items()
    assert meta["annotations"]["kueue.x-k8s.io/note"] == "x"


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "authentication": (
        {"runtime": {"env": [{"name": "RAY_AUTH_MODE", "value": "disabled"}]}},
        "`RAY_AUTH_MODE` is set by KubeRay",
    ),
    "a typo in an affinity": ({"resources": {"head": {"affinity": {"nodeAffinty": {}}}}}, "did you mean `nodeAffinity`?"),
    "a typo in a template": (
        {"resources": {"workers": {"podTemplate": {"spec": {"tolerationz": []}}}}},
        "spec.resources.workers.podTemplate.spec.tolerationz: unknown key `tolerationz`; did you mean `tolerations`?",
    ),
    "a privileged container": (
        {
            "resources": {
                "workers": {"podTemplate": {"spec": {"containers": [{"name": "x", "securityContext": {"privileged": True}}]}}}
            }
        },
        "reduces the security of the pod",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_placement_is_reported_before_there_are_pods(jobs: Jobs, controller: ControllerProcess, name: str) -> None:
    change, message = INVALID[name]
    jobs.apply(**change)
    assert message in jobs.wait_condition("Stalled", "InvalidSpec")["message"]
    assert jobs.owned() == []


def test_a_typo_deep_in_a_template_is_not_dropped_in_silence(jobs: Jobs, controller: ControllerProcess) -> None:
    """The API server would remove the field from the RayJob, so the controller asks it to refuse unknown fields."""
    sidecar = {"name": "proxy", "image": "envoy:1", "livenessProbe": {"tcpSocket": {"port": 1, "hosst": "x"}}}
    jobs.apply(resources={"workers": {"podTemplate": {"spec": {"containers": [sidecar]}}}})
    stalled = jobs.wait_condition("Stalled", "RayJobRefused")
    assert "unknown field" in stalled["message"] and "livenessProbe.tcpSocket.hosst" in stalled["message"]
    assert not jobs.api.list("rayjobs", jobs.namespace)
