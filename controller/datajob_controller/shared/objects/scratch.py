"""The volumes for temporary files and shared memory, and the local disk that a pod requests."""

from datajob.api.contract import ENV_POD, TMP_FOLDER
from datajob.api.placement import PodGroup, Scratch
from datajob.api.quantities import number
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.names import SHM_VOLUME

TMP_VOLUME = "datajob-tmp"
RAY_FOLDER = f"{TMP_FOLDER}/ray"
OBJECT_STORE_SHARE = 0.3
"""Share of the memory that Ray uses for its object store by default."""
OBJECT_STORE_IN_SHM = 0.9
"""Share of the shared memory that the object store may use. If it does not fit, Ray puts it on the disk."""


def volumes(group: PodGroup) -> list[Manifest]:
    """The volumes that the job sets: for temporary files and for shared memory."""
    scratch = [scratch_volume(group.scratch)] if group.scratch else []
    if not group.shared_memory:
        return scratch
    return [*scratch, {"name": SHM_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": group.shared_memory}}]


def scratch_volume(scratch: Scratch | None) -> Manifest:
    """The volume for temporary files; by default, the disk of the node without a limit."""
    return {"name": TMP_VOLUME, **_source(scratch)}


def mounts(group: PodGroup, *, autoscaler: bool = False) -> list[Manifest]:
    """Where the volumes that the job sets are mounted in the Ray container."""
    scratch = scratch_mounts(group, autoscaler=autoscaler) if group.scratch else []
    return [*scratch, *([{"name": SHM_VOLUME, "mountPath": "/dev/shm"}] if group.shared_memory else [])]


def scratch_mounts(group: PodGroup, *, autoscaler: bool) -> list[Manifest]:
    """Where the volume for temporary files is mounted: a separate folder for each pod if the pods share the volume.

    With the autoscaler, KubeRay mounts another volume for the folder of Ray, unless something is mounted there.
    """
    shared = group.shares_scratch
    own = {"subPathExpr": f"$({ENV_POD})"} if shared else {}
    found: list[Manifest] = [{"name": TMP_VOLUME, "mountPath": TMP_FOLDER, **own}]
    if autoscaler:
        ray = {"subPathExpr": f"$({ENV_POD})/ray"} if shared else {"subPath": "ray"}
        found.append({"name": TMP_VOLUME, "mountPath": RAY_FOLDER, **ray})
    return found


def disk(group: PodGroup) -> tuple[str | None, str | None]:
    """The request and the limit of local disk."""
    if group.ephemeral_storage:
        return group.ephemeral_storage, group.ephemeral_storage
    on_node = group.scratch is not None and not group.scratch.storage_class_name
    return (group.scratch.size if group.scratch and on_node else None), None


def object_store(group: PodGroup) -> dict[str, str]:
    """The parameter of `ray start` that makes the object store fit into the shared memory, if it would not."""
    if not group.shared_memory:
        return {}
    available = OBJECT_STORE_IN_SHM * number(group.shared_memory)
    if available >= OBJECT_STORE_SHARE * number(group.memory):
        return {}
    return {"object-store-memory": str(int(available))}


def _source(scratch: Scratch | None) -> Manifest:
    if scratch is None:
        return {"emptyDir": {}}
    if scratch.claim_name:
        return {"persistentVolumeClaim": {"claimName": scratch.claim_name}}
    if not scratch.storage_class_name:
        return {"emptyDir": {"sizeLimit": scratch.size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": scratch.storage_class_name,
        "resources": {"requests": {"storage": scratch.size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
