"""Every reason that a condition or an attempt can have is on a runbook page."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from datajob.api.contract import FINAL_ERRORS
from datajob.api.status import ConditionType, Phase
from tests.support.pages import ROOT, read

CONTROLLER = ROOT / "controller" / "datajob_controller"
SOURCES = (
    *sorted((CONTROLLER / "datajob").glob("*.py")),
    *sorted((CONTROLLER / "datajob" / "policy").glob("*.py")),
    *sorted((CONTROLLER / "shared" / "policy").glob("*.py")),
    *(CONTROLLER / "runtime" / f"{name}.py" for name in ("reconcile", "operator", "namespaces", "watches")),
)
SETTINGS = {"Always", "IfNotPresent", "Never", "Exists", "NoSchedule", "SidecarMode", "Ki", "Mi", "Gi", "Ti"}
KINDS = {
    "ConfigMap",
    "DataJob",
    "NetworkPolicy",
    "Pod",
    "RayCluster",
    "RayJob",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
}
OF_KUBERNETES = {
    *{"True", "False", "Unknown", "Normal", "Warning", "Succeeded", "Ready", "PodScheduled", "NamespaceTerminating"},
    *{"ContainerCreating", "PodInitializing", "PodNotReady", "DisruptionTarget", "ReplicaFailure"},
    # Causes of disruptions and of failed pulls, which are part of the message.
    *{"Evicted", "NodeAffinity", "NodeLost", "NodeShutdown", "Preempted", "Preempting", "Shutdown", "Terminated"},
    *{"ErrImagePull", "ErrImageNeverPull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"},
    *{"ContainerCannotRun", "StartError"},
    *{"EmptyDir"},  # in messages of the kubelet
}
OF_KUBERAY = {"AppFailed", "ValidationFailed", "Suspending"}
EXCEPTIONS = re.compile(r"\w+Error$|\w+TimedOutError$")
OF_METRICS = {"ResourcesChanged", "WatchFailed", "ChangesMissed"}
REASON = re.compile(r"[A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)*")
PASSED_ON = {
    "SubmissionFailed",
    "PreRunningDeadlineExceeded",
    "JobStatusCheckTimeoutExceeded",
    "JobDeploymentStatusTransitionGracePeriodExceeded",
}
"""Reasons of KubeRay that the controller passes on."""
CONTAINER_ERRORS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def names(path: Path) -> set[str]:
    """The constants of a module that have the form of a reason."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and REASON.fullmatch(n.value)}


def reasons() -> set[str]:
    """All constants that can be a reason. A name that is none belongs into one of the lists above."""
    found = set.union(*(names(path) for path in SOURCES))
    known = SETTINGS | KINDS | OF_KUBERNETES | OF_KUBERAY | OF_METRICS | {*get_args(ConditionType), *get_args(Phase), "Refused"}
    own = {name for name in found - known if not EXCEPTIONS.match(name)}
    return own | PASSED_ON | CONTAINER_ERRORS | set(FINAL_ERRORS.values()) | {"Pending", "Suspended", "RayJobRefused"}


PAGES = "\n".join(read(str(page.relative_to(ROOT))) for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")))


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_a_reason_has_an_entry_in_the_runbooks(reason: str) -> None:
    assert f"`{reason}`" in PAGES, f"describe {reason} in docs/runbooks, or add it to a list of names that are not reasons"


def test_no_list_contains_a_name_that_is_no_longer_used() -> None:
    found = set.union(*(names(path) for path in SOURCES))
    assert not (KINDS | OF_KUBERAY | OF_METRICS) - found - {"Suspending"}
