"""Variables, labels, volumes and mounts of pods that belong to the controller or to KubeRay, so a job cannot set them.

Kubernetes accepts most of these conflicts or refuses them only when KubeRay creates the pods.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import Any

from datajob.api import API_GROUP
from datajob.api.contract import JOB_FOLDER, SET_BY_KUBERAY, SET_BY_USER, TMP_FOLDER
from datajob.api.problems import Path, Problem, closest

Fields = Mapping[str, Any]

_OWN_VARIABLES = "DATAJOB_"
_OWN_PREFIXES = (f"{API_GROUP}/", "ray.io/")
_OWN_LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "component", "managed-by", "created-by")}
_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_RAY_JOB_LABELS = {"ray.io/gang-scheduling-enabled", "ray.io/priority-class-name"}
"""Labels with KubeRay's prefix that users set on RayJobs."""
MAX_LABEL = 63
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_OWN_VOLUMES = ("datajob-", "shared-mem", "ray-logs", "ray-token")
_OWN_MOUNTS = {
    TMP_FOLDER: "set `scratch` of the group instead",
    f"{TMP_FOLDER}/ray": "set `scratch` of the group instead",
    JOB_FOLDER: "choose another path",
    "/dev/shm": "set `sharedMemory` of the group instead",
}


def key_problems(entries: Iterable[Any], key: str, path: Path) -> Iterator[Problem]:
    """Entries of a list that is merged by a key, without the key."""
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str | int):
            yield Problem((*path, index), f"must be a mapping with the key `{key}`")


def variable_problems(variables: Iterable[Fields], path: Path) -> Iterator[Problem]:
    """Environment variables that belong to the controller or to KubeRay."""
    for index, variable in enumerate(variables):
        name = str(variable.get("name"))
        place = (*path, index, "name")
        if name in SET_BY_KUBERAY:
            yield Problem(place, f"the variable `{name}` is set by KubeRay and cannot be changed", "remove it")
        elif name.startswith(_OWN_VARIABLES) and name not in SET_BY_USER:
            hint = closest(name, SET_BY_USER) or f"a job can set {' and '.join(sorted(SET_BY_USER))}"
            yield Problem(place, f"the variable `{name}` is reserved for the controller", hint)


def label_problems(labels: Fields, path: Path, *, of_ray_job: bool = False) -> Iterator[Problem]:
    """Labels that belong to the controller or to KubeRay, or that Kubernetes refuses."""
    yield from annotation_problems(labels, path, of_ray_job=of_ray_job)
    for name, value in labels.items():
        if len(str(value)) > MAX_LABEL or not _LABEL_VALUE.fullmatch(str(value)):
            message = f"`{value}` is not a valid label value; use at most {MAX_LABEL} letters, digits, `-`, `_` and `.`"
            yield Problem((*path, name), message)


def annotation_problems(annotations: Fields, path: Path, *, of_ray_job: bool = False) -> Iterator[Problem]:
    """Annotations that belong to the controller or to KubeRay, or whose names Kubernetes refuses."""
    for name in annotations:
        if of_ray_job and name == _QUEUE_LABEL:
            yield Problem((*path, name), "is set by the controller", "set `spec.queueName` instead")
        elif name in _OWN_LABELS or (name.startswith(_OWN_PREFIXES) and not (of_ray_job and name in _RAY_JOB_LABELS)):
            yield Problem((*path, name), "is set by the controller or by KubeRay and cannot be changed", "remove it")
        elif not _LABEL_NAME.fullmatch(name):
            yield Problem(
                (*path, name), f"`{name}` is not a valid name of a label or an annotation, such as `team` or `example.com/team`"
            )


def volume_problems(volumes: Iterable[Fields], path: Path, *, trusted: bool = False) -> Iterator[Problem]:
    """Volumes with the names of those of the controller or of KubeRay, and repeated names."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name = str(volume.get("name"))
        if not trusted and name.startswith(_OWN_VOLUMES):
            yield Problem(
                (*path, index, "name"), f"`{name}` is a volume of the controller or of KubeRay", "choose another name"
            )
        elif name in seen:
            yield Problem((*path, index, "name"), f"two volumes have the name `{name}`")
        seen.add(name)


def mount_problems(mounts: Iterable[Fields], path: Path, *, of_ray: bool = True) -> Iterator[Problem]:
    """Mounts at the paths of those of the controller or of KubeRay, and repeated paths."""
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        folder = normpath(str(mount.get("mountPath")))
        if of_ray and folder in _OWN_MOUNTS:
            yield Problem((*path, index, "mountPath"), f"`{folder}` is a volume of the controller", _OWN_MOUNTS[folder])
        elif folder in seen:
            yield Problem((*path, index, "mountPath"), f"two volumes are mounted at `{folder}`")
        seen.add(folder)
