"""How the pods of a job are merged from the settings, the fields of its groups and its templates."""

import json
from typing import Any

import pytest

from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.settings import InvalidSettingsError
from datajob_controller.runtime.types import Observed
from datajob_controller.shared.objects.merge import merged
from tests.support.world import NOW, UID, datajob

GROUPS = ("headgroup", "workers", "accelerator")


def ray_job(settings: JobSettings | None = None, **spec: Any) -> dict[str, Any]:
    made = decide(datajob(**spec), Observed(), NOW, settings or JobSettings()).create
    return next(one for one in made if one["kind"] == "RayJob")


def pods(settings: JobSettings | None = None, **spec: Any) -> dict[str, dict[str, Any]]:
    """The pod templates of a job by group."""
    cluster = ray_job(settings, **spec)["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"headgroup": cluster["headGroupSpec"]["template"], **groups}


def with_templates(**templates: Any) -> JobSettings:
    return JobSettings.from_env({"DATAJOB_POD_TEMPLATES": json.dumps(templates)})


MERGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "maps are merged by key": ({"a": {"x": 1, "y": 1}}, {"a": {"y": 2, "z": 2}}, {"a": {"x": 1, "y": 2, "z": 2}}),
    "other lists are replaced": ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
    "containers are merged by name": (
        {"containers": [{"name": "a", "image": "1", "tty": True}]},
        {"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "3"}]},
        {"containers": [{"name": "a", "image": "3", "tty": True}, {"name": "b", "image": "2"}]},
    ),
    "a variable is replaced": (
        {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]},
        {"env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {"env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "b", "value": "1"}]},
    ),
    "a volume of another type replaces a volume": (
        {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "c"}}]},
        {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "c"}}]},
    ),
    "a volume of the same type is merged": (
        {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"volumes": [{"name": "a", "emptyDir": {"medium": "Memory"}}]},
        {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}]},
    ),
    "an entry is deleted": (
        {"containers": [{"name": "a"}, {"name": "b"}]},
        {"containers": [{"name": "b", "$patch": "delete"}]},
        {"containers": [{"name": "a"}]},
    ),
    "an entry is deleted from a new container": (
        {},
        {"containers": [{"name": "a", "env": [{"name": "b", "$patch": "delete"}]}]},
        {"containers": [{"name": "a", "env": []}]},
    ),
    "tolerations are added": (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "a"}, {"key": "b"}]},
        {"tolerations": [{"key": "a"}, {"key": "b"}]},
    ),
    "mounts are merged by path": (
        {"volumeMounts": [{"name": "a", "mountPath": "/a"}]},
        {"volumeMounts": [{"name": "b", "mountPath": "/a"}, {"name": "a", "mountPath": "/b"}]},
        {"volumeMounts": [{"name": "b", "mountPath": "/a"}, {"name": "a", "mountPath": "/b"}]},
    ),
}


@pytest.mark.parametrize("name", MERGES)
def test_templates_are_merged_like_a_strategic_merge_patch(name: str) -> None:
    base, patch, expected = MERGES[name]
    before = json.dumps([base, patch])
    assert merged(base, patch) == expected
    assert json.dumps([base, patch]) == before


def test_the_fields_of_a_job_take_precedence_over_the_settings() -> None:
    settings = with_templates(
        all={
            "metadata": {"labels": {"cost": "shared", "from": "all"}},
            "spec": {
                "priorityClassName": "low",
                "nodeSelector": {"pool": "batch", "zone": "a"},
                "tolerations": [{"key": "batch", "operator": "Exists"}],
                "containers": [
                    {"name": "ray-head", "env": [{"name": "WHO", "value": "head"}]},
                    {"name": "ray-worker", "env": [{"name": "WHO", "value": "worker"}, {"name": "LEVEL", "value": "1"}]},
                    {"name": "logs", "image": "fluent:1"},
                ],
            },
        },
        workers={"metadata": {"labels": {"from": "workers"}}, "spec": {"priorityClassName": "middle"}},
    )
    workers = {
        "priorityClassName": "high",
        "nodeSelector": {"zone": "b"},
        "tolerations": [{"key": "own", "operator": "Exists"}],
        "labels": {"cost": "team-a"},
        "podTemplate": {
            "metadata": {"annotations": {"a": "b"}},
            "spec": {"priorityClassName": "highest", "containers": [{"name": "logs", "$patch": "delete"}]},
        },
    }
    runtime = {"env": [{"name": "LEVEL", "value": "2"}]}
    found = pods(settings, resources={"workers": workers}, runtime=runtime)
    head, worker = found["headgroup"], found["workers"]
    assert (head["spec"]["priorityClassName"], worker["spec"]["priorityClassName"]) == ("low", "highest")
    assert worker["spec"]["nodeSelector"] == {"pool": "batch", "zone": "b"}
    assert [one["key"] for one in worker["spec"]["tolerations"]] == ["batch", "own"]
    assert {"cost": "team-a", "from": "workers"}.items() <= worker["metadata"]["labels"].items()
    assert {"cost": "shared", "from": "all"}.items() <= head["metadata"]["labels"].items()
    assert worker["metadata"]["annotations"] == {"a": "b"}
    assert [one["name"] for one in head["spec"]["containers"]] == ["ray-head", "logs"]
    assert [one["name"] for one in worker["spec"]["containers"]] == ["ray-worker"]
    assert _env(head)["WHO"] == "head"
    assert (_env(worker)["WHO"], _env(worker)["LEVEL"]) == ("worker", "2")


@pytest.mark.parametrize(("kind", "other"), [("gpu", "npu"), ("npu", "gpu")])
def test_the_template_of_an_accelerator_applies_to_its_pods_only(kind: str, other: str) -> None:
    settings = with_templates(**{kind: {"spec": {"runtimeClassName": kind}}, other: {"spec": {"runtimeClassName": other}}})
    accelerator = {"type": kind, "tolerations": [{"key": "spot", "operator": "Exists"}], "nodeSelector": {"pool": "x"}}
    found = pods(settings, resources={"accelerator": accelerator})
    assert [found[name]["spec"].get("runtimeClassName") for name in GROUPS] == [None, None, kind]
    assert found["accelerator"]["spec"]["nodeSelector"] == {"pool": "x"}
    keys = [one["key"] for one in found["accelerator"]["spec"]["tolerations"]]
    assert keys == [{"gpu": "nvidia.com/gpu", "npu": "huawei.com/Ascend910"}[kind], "spot"]


def test_a_template_never_replaces_what_belongs_to_the_controller() -> None:
    container = {"name": "ray-worker", "resources": {"requests": {"rdma/hca": "1"}, "limits": {"rdma/hca": "1"}}}
    found = pods(resources={"workers": {"podTemplate": {"spec": {"containers": [container]}}}})["workers"]
    without = pods()["workers"]
    resources = found["spec"]["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "2", "memory": "8Gi", "rdma/hca": "1"}
    assert resources["limits"] == {"memory": "8Gi", "rdma/hca": "1"}
    found["spec"]["containers"][0]["resources"] = without["spec"]["containers"][0]["resources"]
    assert found["metadata"]["labels"].keys() == without["metadata"]["labels"].keys()
    assert found["spec"].keys() == without["spec"].keys()


def test_the_pods_of_a_group_are_spread_by_default() -> None:
    spread = [{"topologyKey": "zone"}, {"topologyKey": "host", "labelSelector": {"matchLabels": {"a": "b"}}, "maxSkew": 2}]
    accelerator = {"type": "gpu", "topologySpreadConstraints": spread}
    (own, other) = pods(resources={"accelerator": accelerator})["accelerator"]["spec"]["topologySpreadConstraints"]
    assert own == {
        "labelSelector": {"matchLabels": {"datajob.io/uid": UID, "ray.io/group": "accelerator"}},
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
    }
    assert (other["labelSelector"]["matchLabels"], other["maxSkew"]) == ({"a": "b"}, 2)


def test_labels_of_the_ray_job_come_from_the_job_and_from_the_settings() -> None:
    settings = JobSettings(ray_job_labels={"volcano.sh/queue-name": "q", "a": "settings"}, ray_job_annotations={"b": "1"})
    labels = {"ray.io/gang-scheduling-enabled": "true", "kueue.x-k8s.io/priority-class": "high", "a": "job"}
    meta = ray_job(settings, runtime={"rayJobLabels": labels, "rayJobAnnotations": {"c": "2"}}, queueName="q")["metadata"]
    assert {**labels, "volcano.sh/queue-name": "q", "kueue.x-k8s.io/queue-name": "q"}.items() <= meta["labels"].items()
    assert meta["labels"]["datajob.io/uid"] == UID
    assert meta["annotations"] == {"b": "1", "c": "2"}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"DATAJOB_POD_TEMPLATES": '{"all": {"spec": {"nodeSelectr": {}}}}'}, "all.spec.nodeSelectr: unknown key"),
        ({"DATAJOB_POD_TEMPLATES": '{"heads": {}}'}, "heads"),
        ({"DATAJOB_POD_TEMPLATES": '{"head": {"spec": {"containers": [{"name": "ray-worker"}]}}}'}, "is `ray-head`"),
        ({"DATAJOB_POD_TEMPLATES": '{"gpu": {"spec": {"restartPolicy": "Always"}}}'}, "gpu.spec.restartPolicy"),
        ({"DATAJOB_RAY_JOB_LABELS": '{"ray.io/cluster": "x"}'}, "ray_job_labels.ray.io/cluster"),
    ],
)
def test_invalid_templates_in_the_settings_are_refused(env: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSettingsError, match=message.replace(".", r"\.")):
        JobSettings.from_env(env)


def test_an_administrator_may_reduce_the_security_of_pods() -> None:
    network = {"name": "ray-worker", "securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}}
    settings = with_templates(gpu={"spec": {"hostNetwork": True, "containers": [network]}})
    pod = pods(settings, resources={"accelerator": {"type": "gpu"}})["accelerator"]["spec"]
    assert pod["hostNetwork"] is True
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}


def _env(template: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in template["spec"]["containers"][0]["env"]}
