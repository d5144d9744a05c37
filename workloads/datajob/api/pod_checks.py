"""Checks of the pods of a job: what the controller and KubeRay set themselves cannot be set by the job."""

from collections.abc import Iterator, Mapping

from datajob.api.contract import HEAD_CONTAINER, WORKER_CONTAINER
from datajob.api.placement import PodGroup
from datajob.api.pod_rules import (
    annotation_problems,
    key_problems,
    label_problems,
    mount_problems,
    variable_problems,
    volume_problems,
)
from datajob.api.pod_template import template_problems
from datajob.api.problems import Path, Problem
from datajob.api.resources import PodRuntime
from datajob.api.spec import DataJobSpec


def pod_problems(spec: DataJobSpec) -> Iterator[Problem]:
    """Problems in `spec.runtime` and `spec.resources`."""
    runtime, path = spec.runtime, ("spec", "runtime")
    yield from runtime_problems(runtime)
    yield from label_problems(runtime.ray_job_labels, (*path, "rayJobLabels"), of_ray_job=True)
    yield from annotation_problems(runtime.ray_job_annotations, (*path, "rayJobAnnotations"), of_ray_job=True)
    resources = spec.resources
    groups = {"head": resources.head, "workers": resources.workers, "accelerator": resources.accelerator}
    yield from group_problems(groups)


def runtime_problems(runtime: PodRuntime) -> Iterator[Problem]:
    """Problems in `spec.runtime`."""
    path = ("spec", "runtime")
    yield from key_problems(runtime.env, "name", (*path, "env"))
    yield from key_problems(runtime.volumes, "name", (*path, "volumes"))
    yield from key_problems(runtime.volume_mounts, "mountPath", (*path, "volumeMounts"))
    yield from variable_problems(runtime.env, (*path, "env"))
    yield from volume_problems(runtime.volumes, (*path, "volumes"))
    yield from mount_problems(runtime.volume_mounts, (*path, "volumeMounts"))


def group_problems(groups: Mapping[str, PodGroup | None]) -> Iterator[Problem]:
    """Problems in `spec.resources`, by the name of the group."""
    for name, group in groups.items():
        if group is not None:
            place: Path = ("spec", "resources", name)
            yield from label_problems(group.labels, (*place, "labels"))
            yield from annotation_problems(group.annotations, (*place, "annotations"))
            container = HEAD_CONTAINER if name == "head" else WORKER_CONTAINER
            yield from template_problems(group.pod_template or {}, (*place, "podTemplate"), container)
