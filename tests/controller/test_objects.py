"""Complete manifests against golden files. `UPDATE_GOLDEN=1 pytest tests/controller/test_objects.py` updates them."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob.api.resources import Accelerator
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.objects.rayjob import autoscales
from datajob_controller.datajob.run import current_run
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.types import Observed
from datajob_controller.shared.objects.accelerators import placement
from tests.support.world import NOW, datajob

GOLDEN = Path(__file__).parent / "golden"

JOBS: dict[str, dict[str, Any]] = {
    "smallest": {},
    "autoscaled": {"resources": {"workers": {"min": 0, "max": 5, "cpu": "500m", "memory": "2Gi"}}},
    "queued": {"queueName": "team-a", "resources": {"workers": {"min": 1, "max": 3}}},
    "gpu": {
        "resources": {
            "workers": {"nodeSelector": {"pool": "cpu"}, "tolerations": [{"key": "batch", "operator": "Exists"}]},
            "accelerator": {"type": "gpu", "product": "NVIDIA-H100-80GB-HBM3", "perWorker": 2, "min": 1, "max": 4},
        }
    },
    "mig": {"resources": {"accelerator": {"type": "gpu", "resource": "nvidia.com/mig-1g.5gb"}}},
    "npu": {
        "resources": {
            "accelerator": {
                "type": "npu",
                "product": "huawei-Ascend310P",
                "perWorker": 8,
                "nodeSelector": {"host-arch": "huawei-arm"},
            }
        }
    },
    "endpoint": {
        "steps": [
            {
                "textGeneration": {
                    "prompt": "{text}",
                    "endpoint": {
                        "url": "https://api.openai.com/v1",
                        "keyFrom": {"env": "OPENAI_API_KEY", "secret": {"name": "openai", "key": "api-key"}},
                    },
                }
            }
        ]
    },
    "placed": {
        "resources": {
            "head": {
                "tolerations": [{"operator": "Exists"}],
                "priorityClassName": "batch",
                "labels": {"cost-center": "7"},
                "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                "scratch": {"size": "20Gi"},
            },
            "workers": {
                "min": 1,
                "max": 3,
                "affinity": {
                    "podAntiAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
                        ]
                    }
                },
                "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}],
                "schedulerName": "volcano",
                "imagePullSecrets": ["team"],
                "scratch": {"size": "1Ti", "storageClassName": "nvme"},
                "ephemeralStorage": "2Gi",
                "sharedMemory": "2Gi",
            },
            "accelerator": {
                "type": "npu",
                "runtimeClassName": "ascend",
                "scratch": {"claimName": "scratch"},
                "podTemplate": {
                    "spec": {
                        "containers": [
                            {
                                "name": "ray-worker",
                                "volumeMounts": [{"name": "driver", "mountPath": "/usr/local/Ascend/driver"}],
                            }
                        ],
                        "volumes": [{"name": "driver", "hostPath": {"path": "/usr/local/Ascend/driver"}}],
                    }
                },
            },
        },
        "runtime": {
            "rayJobLabels": {"ray.io/gang-scheduling-enabled": "true", "volcano.sh/queue-name": "team-a"},
            "imagePullSecrets": ["registry"],
        },
    },
    "own-runtime": {
        "runtime": {
            "image": "registry/team-a:7",
            "imagePullSecrets": ["registry"],
            "serviceAccountName": "loader",
            "env": [{"name": "AWS_REGION", "value": "eu-1"}],
            "envFrom": [{"secretRef": {"name": "s3"}}],
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
            "volumeMounts": [{"name": "models", "mountPath": "/models"}],
        }
    },
}


@pytest.mark.parametrize("name", JOBS)
def test_the_objects_of_a_job_equal_the_golden_files(name: str) -> None:
    made = decide(datajob(name, **JOBS[name]), Observed(), NOW, JobSettings()).create
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.dump_all(made, sort_keys=False, Dumper=_NoAliases))
    assert list(made) == list(yaml.safe_load_all(golden.read_text()))


def test_a_job_without_a_network_policy_has_none() -> None:
    made = decide(datajob(), Observed(), NOW, JobSettings(network_policy=False)).create
    assert [one["kind"] for one in made] == ["ConfigMap", "ConfigMap", "ServiceAccount", "Role", "RoleBinding", "RayJob"]


def test_the_cluster_may_choose_the_user_id_of_every_pod() -> None:
    def pods(settings: JobSettings) -> list[dict[str, Any]]:
        (ray_job,) = [one for one in decide(datajob(), Observed(), NOW, settings).create if one["kind"] == "RayJob"]
        cluster = ray_job["spec"]["rayClusterSpec"]
        return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]

    without, chosen = pods(JobSettings(run_as_user=None)), pods(JobSettings(run_as_user=2000))
    for pod in without:
        assert "runAsUser" not in json.dumps(pod) and "fsGroup" not in json.dumps(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert [(pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) for pod in chosen] == [(2000, 2000)] * 2


@pytest.mark.parametrize(
    ("accelerator", "resource"),
    [
        ({"type": "gpu"}, "nvidia.com/gpu"),
        ({"type": "gpu", "resource": "nvidia.com/mig-3g.40gb"}, "nvidia.com/mig-3g.40gb"),
        ({"type": "npu"}, "huawei.com/Ascend910"),
        ({"type": "npu", "product": "huawei-Ascend310"}, "huawei.com/Ascend310"),
        ({"type": "npu", "product": "huawei-Ascend910", "resource": "huawei.com/Ascend910B3"}, "huawei.com/Ascend910B3"),
    ],
)
def test_the_right_extended_resource_is_requested(accelerator: dict[str, Any], resource: str) -> None:
    assert placement(Accelerator.model_validate(accelerator), JobSettings()).limits == {resource: "1"}


def test_names_of_resources_and_labels_are_settings() -> None:
    names = {"resource": "example.com/npu", "product_label": "example.com/chip", "ray_resource": "NPU"}
    settings = JobSettings.from_env({"DATAJOB_NPU": json.dumps(names)})
    where = placement(Accelerator.model_validate({"type": "npu", "product": "910C"}), settings)
    assert (where.limits, where.node_selector) == ({"example.com/npu": "1"}, {"example.com/chip": "910C"})


def test_a_shell_and_the_ray_autoscaler_read_the_same_npu_resource() -> None:
    params = placement(Accelerator.model_validate({"type": "npu", "perWorker": 8}), JobSettings()).ray_start_params
    (word,) = shlex.split(params["resources"])
    assert json.loads(word) == {"NPU": 8}
    autoscaling_config = pytest.importorskip("ray.autoscaler._private.kuberay.autoscaling_config")
    assert autoscaling_config._get_custom_resources({}, params, "accelerator") == {"NPU": 8}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"resources": {"workers": {"min": 1, "max": 2}}}, True),
        ({"resources": {"accelerator": {"type": "gpu", "min": 0, "max": 1}}}, True),
        ({"resources": {"workers": {"min": 1, "max": 2}}, "queueName": "q"}, False),
    ],
)
def test_the_autoscaler_is_enabled_if_a_group_can_grow(spec: dict[str, Any], expected: bool) -> None:
    run, _ = current_run(datajob(**spec))
    assert run and autoscales(run.spec) is expected


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
