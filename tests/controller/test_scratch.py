"""Temporary storage and shared memory of the pods."""

from typing import Any

import pytest

from datajob.api.placement import PodGroup
from datajob_controller.shared.objects.scratch import object_store
from tests.controller.test_pod_templates import ray_job, with_templates


def head(**group: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The volumes by name, the mounts by path and the resources of a head."""
    spec = ray_job(resources={"head": group})["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (container,) = spec["containers"]
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    return {one["name"]: one for one in spec["volumes"]}, mounts, container["resources"]


def test_by_default_the_disk_of_the_node_is_used_without_a_limit() -> None:
    volumes, mounts, resources = head()
    assert volumes["datajob-tmp"] == {"name": "datajob-tmp", "emptyDir": {}}
    assert mounts["/tmp"] == {"name": "datajob-tmp", "mountPath": "/tmp"}
    assert "/dev/shm" not in mounts
    assert not [name for amounts in resources.values() for name in amounts if name == "ephemeral-storage"]


def test_a_size_limits_the_volume_and_is_requested_from_the_node() -> None:
    volumes, _, resources = head(scratch={"size": "20Gi"})
    assert volumes["datajob-tmp"]["emptyDir"] == {"sizeLimit": "20Gi"}
    assert resources["requests"]["ephemeral-storage"] == "20Gi"
    assert "ephemeral-storage" not in resources["limits"]


def test_a_storage_class_creates_a_volume_for_each_pod() -> None:
    volumes, mounts, resources = head(scratch={"size": "1Ti", "storageClassName": "nvme"}, ephemeralStorage="2Gi")
    claim = volumes["datajob-tmp"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "nvme",
        "resources": {"requests": {"storage": "1Ti"}},
    }
    assert "subPathExpr" not in mounts["/tmp"]
    assert resources["requests"]["ephemeral-storage"] == resources["limits"]["ephemeral-storage"] == "2Gi"


def test_each_pod_has_its_own_folder_of_a_claim() -> None:
    volumes, mounts, _ = head(scratch={"claimName": "shared"})
    assert volumes["datajob-tmp"]["persistentVolumeClaim"] == {"claimName": "shared"}
    assert mounts["/tmp"]["subPathExpr"] == "$(DATAJOB_POD)"


@pytest.mark.parametrize(
    ("scratch", "folder"),
    [
        (None, {"subPath": "ray"}),
        ({"size": "1Gi"}, {"subPath": "ray"}),
        ({"claimName": "shared"}, {"subPathExpr": "$(DATAJOB_POD)/ray"}),
    ],
)
def test_ray_spills_to_the_same_volume_next_to_an_autoscaler(scratch: dict[str, Any] | None, folder: dict[str, str]) -> None:
    """Otherwise, KubeRay would mount a volume without a limit at /tmp/ray."""
    group = {"scratch": scratch} if scratch else {}
    cluster = ray_job(resources={"head": group, "workers": {"min": 1, "max": 2}})["spec"]["rayClusterSpec"]
    (container,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    expected = {"name": "datajob-tmp", "mountPath": "/tmp/ray", **folder}
    options = cluster["autoscalerOptions"]
    assert expected in container["volumeMounts"] and expected in options["volumeMounts"]
    assert [one["name"] for one in options.get("env", ())] == (["DATAJOB_POD"] if "subPathExpr" in folder else [])


def test_the_size_of_shared_memory_can_be_set() -> None:
    volumes, mounts, _ = head(sharedMemory="1Gi")
    assert volumes["datajob-shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert mounts["/dev/shm"] == {"name": "datajob-shm", "mountPath": "/dev/shm"}


@pytest.mark.parametrize(
    ("memory", "shared", "store"),
    [
        ("8Gi", None, None),
        ("8Gi", "8Gi", None),
        ("8Gi", "3Gi", None),
        ("8Gi", "1Gi", int(0.9 * 2**30)),
        ("100Gi", "1G", 9 * 10**8),
    ],
)
def test_the_object_store_fits_into_the_shared_memory(memory: str, shared: str | None, store: int | None) -> None:
    """Ray would otherwise put it on the disk."""
    group = PodGroup.model_validate({"memory": memory, "sharedMemory": shared})
    assert object_store(group) == ({"object-store-memory": str(store)} if store else {})


def test_the_scratch_of_a_job_takes_precedence_over_the_settings() -> None:
    claim = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volume = {"name": "datajob-tmp", "ephemeral": {"volumeClaimTemplate": claim}}
    settings = with_templates(all={"spec": {"volumes": [volume]}})
    cluster = ray_job(settings, resources={"head": {"scratch": {"size": "5Gi"}}})["spec"]["rayClusterSpec"]
    groups = (cluster["headGroupSpec"], cluster["workerGroupSpecs"][0])
    found = [one for group in groups for one in group["template"]["spec"]["volumes"] if one["name"] == "datajob-tmp"]
    assert found == [{"name": "datajob-tmp", "emptyDir": {"sizeLimit": "5Gi"}}, volume]
