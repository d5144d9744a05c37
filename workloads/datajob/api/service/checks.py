"""Checks of a ModelService that a schema cannot express."""

from collections.abc import Iterator

from datajob.api.pod_checks import group_problems, runtime_problems
from datajob.api.problems import Problem
from datajob.api.service.model import as_step
from datajob.api.service.service import ModelService
from datajob.api.service.spec import ModelServiceSpec


def check_service(service: ModelService, *, on_cluster: bool = False) -> list[Problem]:
    """Problems of a service that matches the schema. On a cluster, a missing accelerator is an error and not a warning."""
    spec = service.spec
    resources = spec.resources
    groups = {"head": resources.head, "workers": resources.workers, "accelerator": resources.accelerator}
    return [*_accelerator(spec, on_cluster), *_limits(spec), *runtime_problems(spec.runtime), *group_problems(groups)]


def _accelerator(spec: ModelServiceSpec, on_cluster: bool) -> Iterator[Problem]:
    path = ("spec", "model", spec.model.key)
    needed, found = as_step(spec.model).accelerated(), spec.resources.accelerator
    if found and not needed:
        yield Problem((*path, "device"), "does not use the accelerators in `spec.resources.accelerator`", "remove one of them")
    elif needed and not found:
        if on_cluster:
            cure = "set `spec.resources.accelerator`, or for a small model `device: cpu`"
            yield Problem(path, "requires an accelerator, but the service requests none", cure)
        else:
            message = "is slow on a machine without an accelerator; on a cluster, set `spec.resources.accelerator`"
            yield Problem(path, message, warning=True)


def _limits(spec: ModelServiceSpec) -> Iterator[Problem]:
    limits = spec.limits
    if limits.image_megabytes > limits.body_megabytes:
        message = f"exceeds `bodyMegabytes` ({limits.body_megabytes}), so no request can contain such an image"
        yield Problem(("spec", "limits", "imageMegabytes"), message, "increase `bodyMegabytes`", warning=True)
    if spec.media.allowed_hosts and spec.model.key != "visionLanguage":
        message = f"has no effect, because `{spec.model.key}` accepts no images"
        yield Problem(("spec", "media", "allowedHosts"), message, warning=True)
