"""Fields of a pod template that give a pod more privileges than the controller gives it."""

from collections.abc import Iterator
from typing import Any

from datajob.api.pod_rules import Fields
from datajob.api.problems import Path, Problem

MESSAGE = "reduces the security of the pod; an administrator can set it for all jobs with the setting `pod_templates`"


def weak_pod(spec: Fields, path: Path) -> Iterator[Problem]:
    """Fields of a pod, apart from its containers."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield Problem((*path, field), MESSAGE)
    yield from _weak_context(block(spec.get("securityContext")), (*path, "securityContext"))


def weak_container(entry: Fields, path: Path, *, runs_ray: bool) -> Iterator[Problem]:
    """Fields of a container. The Ray container must also keep the restrictions that the controller sets."""
    context, place = block(entry.get("securityContext")), (*path, "securityContext")
    capabilities = block(context.get("capabilities"))
    dropped = capabilities.get("drop", ["ALL"])
    weak = {
        ("privileged",): bool(context.get("privileged")),
        ("allowPrivilegeEscalation",): bool(context.get("allowPrivilegeEscalation")),
        ("capabilities", "add"): bool(capabilities.get("add")),
        ("capabilities", "drop"): runs_ray and not (isinstance(dropped, list) and "ALL" in dropped),
        ("readOnlyRootFilesystem",): runs_ray and context.get("readOnlyRootFilesystem", True) is not True,
    }
    yield from (Problem((*place, *field), MESSAGE) for field, found in weak.items() if found)
    yield from _weak_context(context, place)
    for index, port in enumerate(entries(entry, "ports")):
        if port.get("hostPort"):
            yield Problem((*path, "ports", index, "hostPort"), MESSAGE)


def _weak_context(context: Fields, path: Path) -> Iterator[Problem]:
    weak = {
        "runAsNonRoot": context.get("runAsNonRoot", True) is not True,
        "runAsUser": context.get("runAsUser") == 0,
        "runAsGroup": context.get("runAsGroup") == 0,
        "sysctls": bool(context.get("sysctls")),
        "procMount": context.get("procMount", "Default") != "Default",
        "seccompProfile": block(context.get("seccompProfile")).get("type") == "Unconfined",
        "appArmorProfile": block(context.get("appArmorProfile")).get("type") == "Unconfined",
    }
    yield from (Problem((*path, field), MESSAGE) for field, found in weak.items() if found)


def block(value: Any) -> Fields:
    """A mapping; values of another type count as empty, since the schema of the RayJob refuses them."""
    return value if isinstance(value, dict) else {}


def entries(of: Fields, kind: str) -> list[Fields]:
    """The entries of a list; entries of another type count as empty, so that indexes are right."""
    found = of.get(kind)
    return [block(entry) for entry in found] if isinstance(found, list) else []
