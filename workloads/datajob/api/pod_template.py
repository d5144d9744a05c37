"""Checks pod templates: fields that Kubernetes has, and that do not belong to the controller or to KubeRay.

The same rules apply to the templates in the settings of the controller, but an administrator may reduce the security of pods.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from datajob.api.contract import RAY_CONTAINERS
from datajob.api.pod_fields import CONTAINER_FIELDS, MERGE_KEYS, POD_FIELDS
from datajob.api.pod_rules import (
    Fields,
    annotation_problems,
    key_problems,
    label_problems,
    mount_problems,
    variable_problems,
    volume_problems,
)
from datajob.api.pod_security import block, entries, weak_container, weak_pod
from datajob.api.problems import Path, Problem, closest

DELETE = {"$patch": "delete"}
"""In an entry of a list, removes the entry that has the same key."""

_KUBERAY_CONTAINERS = ("autoscaler", "wait-gcs-ready", "ray-job-submitter")
_POD: dict[str, str] = {
    "restartPolicy": "it is always `Never`",
    "serviceAccountName": "set `spec.runtime.serviceAccountName` instead",
    "serviceAccount": "set `spec.runtime.serviceAccountName` instead",
    "automountServiceAccountToken": "only head pods have a token",
    "activeDeadlineSeconds": "set `spec.deadlineSeconds` instead",
    "nodeName": "set `nodeSelector` of the group instead",
    "ephemeralContainers": "they can only be added to running pods",
}
"""Fields of a pod that belong to the controller, and the alternatives."""
_RAY_CONTAINER: dict[str, str] = {
    "command": "KubeRay sets it to start Ray",
    "args": "KubeRay sets it to start Ray",
    "workingDir": "the workload image sets it",
    "ports": "KubeRay sets them",
    "image": "set `spec.runtime.image` instead",
    "imagePullPolicy": "it is the setting `image_pull_policy`",
    "restartPolicy": "it is always `Never`",
    "terminationMessagePath": "the controller reads the last lines of the log from it",
    "terminationMessagePolicy": "the controller reads the last lines of the log from it",
}
"""Fields of the Ray container that belong to the controller or to KubeRay, and the alternatives."""
_RESOURCES = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "ephemeralStorage"}


def template_problems(template: Fields, path: Path, ray_container: str, *, trusted: bool = False) -> Iterator[Problem]:
    """Problems of a template for pods whose Ray container has this name. Templates of administrators are `trusted`."""
    yield from _unknown(template, ("metadata", "spec"), path)
    yield from _nulls_and_directives(template, path, in_list=False)
    metadata, spec, place = block(template.get("metadata")), block(template.get("spec")), (*path, "spec")
    yield from _unknown(metadata, ("labels", "annotations"), (*path, "metadata"))
    yield from label_problems(block(metadata.get("labels")), (*path, "metadata", "labels"))
    yield from annotation_problems(block(metadata.get("annotations")), (*path, "metadata", "annotations"))
    yield from _unknown(spec, POD_FIELDS, place)
    yield from _lists(spec, place)
    yield from (Problem((*place, field), "cannot be set in a template", cure) for field, cure in _POD.items() if field in spec)
    if not trusted:
        yield from weak_pod(spec, place)
    for kind in ("containers", "initContainers"):
        for index, entry in enumerate(entries(spec, kind)):
            yield from _container(entry, (*place, kind, index), ray_container, trusted=trusted)
    yield from volume_problems(entries(spec, "volumes"), (*place, "volumes"), trusted=trusted)


def _container(entry: Fields, path: Path, ray_container: str, *, trusted: bool) -> Iterator[Problem]:
    name = entry.get("name")
    runs_ray = name in RAY_CONTAINERS
    yield from _unknown(entry, (*CONTAINER_FIELDS, *DELETE), path)
    yield from _lists(entry, path)
    if name in _KUBERAY_CONTAINERS:
        yield Problem((*path, "name"), f"`{name}` is a container of KubeRay", "choose another name")
    elif runs_ray and "initContainers" in path:
        yield Problem((*path, "name"), f"`{name}` is the Ray container, which must be in `containers`", "choose another name")
    elif runs_ray and name != ray_container:
        yield Problem((*path, "name"), f"the Ray container of this group is `{ray_container}`", "change the name")
    if runs_ray:
        yield from _ray_container(entry, path)
    if not trusted:
        yield from weak_container(entry, path, runs_ray=runs_ray)
    yield from mount_problems(entries(entry, "volumeMounts"), (*path, "volumeMounts"), of_ray=runs_ray)


def _ray_container(entry: Fields, path: Path) -> Iterator[Problem]:
    for field, cure in _RAY_CONTAINER.items():
        if field in entry:
            yield Problem((*path, field), "cannot be set in a template", cure)
    if "$patch" in entry:
        yield Problem(path, "the Ray container cannot be removed", "remove `$patch`")
    for kind in ("requests", "limits"):
        amounts = block(block(entry.get("resources")).get(kind))
        for name, field in _RESOURCES.items():
            if name in amounts:
                place = (*path, "resources", kind, name)
                yield Problem(place, "cannot be set in a template", f"set `{field}` of the group instead")
    yield from variable_problems(entries(entry, "env"), (*path, "env"))


def _unknown(found: Fields, known: Iterable[str], path: Path) -> Iterator[Problem]:
    names = sorted(known)
    for field in found:
        if field not in names and not field.startswith("$"):
            yield Problem((*path, field), f"unknown key `{field}`", closest(field, names))


def _lists(found: Fields, path: Path) -> Iterator[Problem]:
    """Lists that are merged by a key need mappings with that key."""
    for field, key in MERGE_KEYS.items():
        value = found.get(field, [])
        if not isinstance(value, list):
            yield Problem((*path, field), "must be a list")
        else:
            yield from key_problems(value, key, (*path, field))


def _nulls_and_directives(value: Any, path: Path, *, in_list: bool) -> Iterator[Problem]:
    """`$patch: delete` in the entries of merged lists is the only directive. A null would delete fields of the controller."""
    if value is None:
        yield Problem(path, "must not be null")
    elif isinstance(value, dict):
        for key, part in value.items():
            if str(key).startswith("$") and not (in_list and {key: part} == DELETE):
                yield Problem((*path, key), "only `$patch: delete` in an entry of a list that is merged by a key is supported")
            else:
                yield from _nulls_and_directives(part, (*path, key), in_list=False)
    elif isinstance(value, list):
        merged = path[-1] in MERGE_KEYS
        for index, part in enumerate(value):
            yield from _nulls_and_directives(part, (*path, index), in_list=merged)
