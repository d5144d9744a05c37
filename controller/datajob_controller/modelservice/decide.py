"""Decides what to do about a ModelService, from its current state alone. Pure and level-based.

The spec that is served is the current one, or the last good one if the model of the current one cannot be loaded. The
RayService is changed only by an edit of the spec, never by an upgrade of the controller.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from datajob_controller.modelservice.changes import (
    access_patches,
    needs_restart,
    ray_cluster_patches,
    ray_service_patch,
)
from datajob_controller.modelservice.live import report
from datajob_controller.modelservice.names import REVISION
from datajob_controller.modelservice.objects.access import http_route, network_policy, service_account, service_object
from datajob_controller.modelservice.objects.rayservice import digests, ray_service
from datajob_controller.modelservice.policy.application import FAILED, RUNNING, active, newest, pending
from datajob_controller.modelservice.policy.receiver import receiver
from datajob_controller.modelservice.policy.route import route_problem
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.modelservice.specs import CheckedSpec, check_spec, with_live_part
from datajob_controller.modelservice.status import StatusBuilder, updated_at
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Decision, Observed, Patch, Reference
from datajob_controller.shared.policy.conditions import is_true
from datajob_controller.shared.text import listed_problems

RECHECK = timedelta(seconds=30)
SETTLE = timedelta(seconds=10)
"""KubeRay reports the state from before a change until its next reconciliation."""

_RESTORED = "The RayService was edited by someone else, and its configuration is restored. Edit the ModelService instead."


@dataclass(frozen=True)
class _Case:
    """A ModelService and everything that its decision depends on; `status` records the result."""

    service: Manifest
    status: StatusBuilder
    observed: Observed
    now: datetime
    settings: ServiceSettings
    before: Manifest

    @property
    def name(self) -> str:
        """The name of the service, which most of its objects have."""
        return str(self.service["metadata"]["name"])


def decide(service: Manifest, observed: Observed, now: datetime, settings: ServiceSettings) -> Decision:
    """What to do about one ModelService."""
    if service["metadata"].get("deletionTimestamp"):
        return Decision()
    status = StatusBuilder(service, now)
    case = _Case(service, status, observed, now, settings, service.get("status") or {})
    checked = _accepted(case, check_spec(service))
    suspended = service["spec"].get("suspend") is True
    decision = _suspended(case, checked) if suspended else _served(case, checked)
    routed = checked and checked.spec and checked.spec.route
    if routed and not (suspended or status.holds("Stalled")) and (problem := route_problem(observed, case.name)):
        status.set("Stalled", *problem)
    return replace(decision, status=status.changed(), events=status.events)


def _accepted(case: _Case, checked: CheckedSpec) -> CheckedSpec | None:
    """The spec to serve; None if there is none that is valid."""
    meta, before = case.service["metadata"], case.before
    decided = before.get("observedGeneration") == meta.get("generation", 1) and is_true(
        before.get("conditions", ()), "Accepted"
    )
    listed = listed_problems(checked.problems)
    if checked.spec and checked.problems and decided:
        message = f"The spec was accepted earlier. This version of the controller reports: {listed}"
        case.status.set("Accepted", "AcceptedEarlier", message)
    elif checked.problems:
        effect = " The previous spec is served." if "lastGood" in before else ""
        case.status.set("Accepted", "InvalidSpec", f"{listed}.{effect}", holds=False)
        case.status.set("Stalled", "InvalidSpec", f"{listed}.{effect}")
        return _last_good(case, {})
    if checked.revision != case.status.failed.get("revision"):
        case.status.clear_failed()
        return checked
    return _last_good(case, checked.stored) or checked


def _last_good(case: _Case, live: Manifest) -> CheckedSpec | None:
    """The last spec whose model was loaded, with the replicas and limits of the current one."""
    stored = (case.before.get("lastGood") or {}).get("spec")
    if not stored:
        return None
    checked = check_spec(case.service, with_live_part(stored, live) if live else stored)
    return checked if checked.spec else None


def _suspended(case: _Case, checked: CheckedSpec | None) -> Decision:
    """Delete all pods. The address remains, and the model of the spec is loaded again later."""
    found = case.observed.of("RayService").get(case.name)
    case.status.set("Available", "Suspended", "The service is suspended (spec.suspend).", holds=False)
    case.status.set_replicas(0, 0, "")
    if found or case.observed.of("RayCluster"):
        case.status.set("Progressing", "Suspending", "The pods of the service are being deleted.")
    else:
        case.status.set_deleted()
        case.status.set("Suspended", "SuspendedByUser", "The service is suspended (spec.suspend). It has no pods.")
    delete = [Reference("RayService", case.name)] if found and not found["metadata"].get("deletionTimestamp") else []
    return Decision(
        create=_missing_access(case, checked),
        patch=list(access_patches(case.observed, case.service, checked.spec if checked else None, "")),
        delete=[*delete, *_stale_route(case, checked)],
        requeue_at=case.now + RECHECK if found else None,
    )


def _served(case: _Case, checked: CheckedSpec | None) -> Decision:
    found = case.observed.of("RayService").get(case.name)
    if "RayService" in case.observed.unserved:
        message = "The cluster does not serve RayServices (ray.io/v1). Install the KubeRay operator."
        case.status.set("Stalled", "KubeRayMissing", message)
        case.status.set("Available", "KubeRayMissing", message, holds=False)
        return Decision()
    if case.observed.obstacle:
        case.status.set("Stalled", case.observed.obstacle.reason, case.observed.obstacle.message)
        if found is None:
            case.status.set("Available", case.observed.obstacle.reason, "The service has no pods.", holds=False)
            case.status.set_replicas(0, 0, "")
            return Decision(requeue_at=case.now + RECHECK)
        report(case.status, found, case.observed, checked, case.now, case.settings, settled=False)
        return Decision(requeue_at=case.now + RECHECK)
    if found is None:
        return _created(case, checked)
    if found["metadata"].get("deletionTimestamp"):
        case.status.set("Progressing", "Restarting", "The pods of the service are being replaced.")
        case.status.set("Available", "Restarting", "The pods of the service are being replaced.", holds=False)
        case.status.set_replicas(0, 0, "")
        return Decision(requeue_at=case.now + RECHECK)
    return _living(case, found, checked)


def _created(case: _Case, checked: CheckedSpec | None) -> Decision:
    """The service has no RayService."""
    case.status.set_replicas(0, 0, "")
    if checked is None or checked.spec is None:
        case.status.set("Available", "InvalidSpec", "The service has no pods.", holds=False)
        return Decision()
    if checked.revision == case.status.failed.get("revision"):
        case.status.clear_failed()  # its RayService was deleted, so it is loaded again
    message = f"RayService {case.name} was created. Waiting for its Ray cluster to start."
    case.status.set_revision(checked.revision)
    case.status.set("Progressing", "ClusterStarting", message)
    case.status.set("Available", "ClusterStarting", message, holds=False)
    made = ray_service(case.service, checked, checked.spec, case.settings)
    return Decision(create=[*_missing_access(case, checked), *_support(case, checked), made], requeue_at=case.now + SETTLE)


def _support(case: _Case, checked: CheckedSpec) -> list[Manifest]:
    """The objects that must exist before the pods."""
    assert checked.spec
    own_account = checked.spec.runtime.service_account_name is None
    return [
        *([service_account(case.service)] if own_account else []),
        *([network_policy(case.service, case.settings)] if case.settings.network_policy else []),
    ]


def _missing_access(case: _Case, checked: CheckedSpec | None) -> list[Manifest]:
    """The Service and the HTTPRoute, unless they exist."""
    made = []
    if case.name not in case.observed.of("Service"):
        made.append(service_object(case.service, str(case.before.get("rayClusterName", ""))))
    route = http_route(case.service, checked.spec) if checked and checked.spec else None
    if route and case.name not in case.observed.of("HTTPRoute") and "HTTPRoute" not in case.observed.unserved:
        made.append(route)
    return made


def _living(case: _Case, found: Manifest, checked: CheckedSpec | None) -> Decision:
    """The service has a RayService: change it for an edit, and report what it does."""
    create = _missing_access(case, checked)
    if checked is None or checked.spec is None:  # what exists continues
        report(case.status, found, case.observed, None, case.now, case.settings, settled=True)
        return Decision(create=create, patch=_access(case, found, None), requeue_at=case.now + RECHECK)
    if needs_restart(found, checked):
        case.status.set_revision(checked.revision)
        message = "The pods of the service are being replaced because spec.resources or spec.runtime changed."
        case.status.set("Progressing", "Restarting", message)
        case.status.set("Available", "Restarting", message, holds=False)
        case.status.set_replicas(0, 0, "")
        return Decision(delete=[Reference("RayService", case.name)], requeue_at=case.now + RECHECK)
    settled = _is_settled(case, found)
    if settled and (instead := _instead_of_failed(case, found, checked)):
        checked = instead
    assert checked.spec
    patch = ray_service_patch(found, case.service, checked, case.settings)
    if patch:
        case.status.set_revision(checked.revision)
        if found["digests"] == digests(checked):
            case.status.event("Warning", "RayServiceRestored", _RESTORED)
    elif settled:
        _remember_good(case, found, checked)
    report(case.status, found, case.observed, checked, case.now, case.settings, settled=settled and not patch)
    patches = [*([patch] if patch else []), *ray_cluster_patches(case.observed, checked.spec), *_access(case, found, checked)]
    delete = _stale_route(case, checked)
    return Decision(create=create, patch=patches, delete=delete, requeue_at=case.now + (RECHECK if settled else SETTLE))


def _access(case: _Case, found: Manifest, checked: CheckedSpec | None) -> list[Patch]:
    cluster = receiver(found, case.observed)
    return list(access_patches(case.observed, case.service, checked.spec if checked else None, cluster))


def _stale_route(case: _Case, checked: CheckedSpec | None) -> list[Reference]:
    """The HTTPRoute, if the spec no longer states one."""
    stale = checked and checked.spec and checked.spec.route is None and case.name in case.observed.of("HTTPRoute")
    return [Reference("HTTPRoute", case.name)] if stale else []


def _is_settled(case: _Case, found: Manifest) -> bool:
    """Whether KubeRay reports the state after the last change of the RayService."""
    seen = (found.get("status") or {}).get("observedGeneration", 0) >= found["metadata"].get("generation", 1)
    changed = updated_at(case.before)
    return seen and (changed is None or case.now >= changed + SETTLE)


def _instead_of_failed(case: _Case, found: Manifest, checked: CheckedSpec) -> CheckedSpec | None:
    """The last good spec if the model of this one cannot be loaded. The failure is recorded, so that it is not loaded again."""
    application = newest(found)
    if application.status != FAILED or found["digests"].get(REVISION) != checked.revision:
        return None
    if checked.revision == (case.before.get("lastGood") or {}).get("revision"):
        return None
    case.status.set_failed(checked.revision, application.message)
    return _last_good(case, checked.stored)


def _remember_good(case: _Case, found: Manifest, checked: CheckedSpec) -> None:
    """Keep the spec of a model that is loaded, for a later one that cannot be."""
    loaded = newest(found).status == RUNNING and not (pending(found).cluster and active(found).cluster)
    if not loaded or found["digests"].get(REVISION) != checked.revision:
        return
    case.status.set_good(checked)
    if checked.revision == case.status.failed.get("revision"):
        case.status.clear_failed()
