"""Builds the status of a ModelService: conditions, phase, replicas, and the Events that go with transitions."""

import json
from datetime import datetime
from typing import get_args

from pydantic import ValidationError

from datajob.api.service.service import service_url
from datajob.api.service.status import ModelServiceStatus, ServiceConditionType, ServicePhase
from datajob_controller.modelservice.specs import CheckedSpec
from datajob_controller.runtime.manifests import Manifest, parse_time, rfc3339
from datajob_controller.runtime.types import Event
from datajob_controller.shared.policy.conditions import ConditionUpdate, conditions
from datajob_controller.shared.text import shortened

TYPES: tuple[ServiceConditionType, ...] = get_args(ServiceConditionType)
MAX_EVENT = 1000
MAX_KEPT_SPEC = 128 * 1024
"""A last good spec that is larger, in bytes of JSON, is not kept."""
VALID: ConditionUpdate = ("True", "Valid", "The spec is valid.")
_WITHOUT_EVENTS = ("Accepted", "Reconciling")
_PHASES: dict[ServiceConditionType, ServicePhase] = {"Suspended": "Suspended", "Stalled": "Stalled"}


class StatusBuilder:
    """The new status of one ModelService while it is decided, and the Events that go with it."""

    def __init__(self, service: Manifest, now: datetime) -> None:
        self._service = service
        self._before: Manifest = service.get("status") or {}
        self._now = now
        self._status: Manifest = {
            **self._before,
            "url": service_url(service["metadata"]["name"], service["metadata"]["namespace"]),
        }
        self._updates: dict[ServiceConditionType, ConditionUpdate] = {"Accepted": VALID}
        self.events: list[Event] = []

    def set(self, condition: ServiceConditionType, reason: str, message: str, *, holds: bool = True) -> None:
        """Set a condition to True, or to False for a reason."""
        self._updates[condition] = ("True" if holds else "False", reason, message)

    def holds(self, condition: ServiceConditionType) -> bool:
        """Whether a condition is set to True."""
        return self._updates.get(condition, ("",))[0] == "True"

    def event(self, kind: str, reason: str, message: str) -> None:
        """Publish an Event."""
        self.events.append(Event("Warning" if kind == "Warning" else "Normal", reason, shortened(message, MAX_EVENT)))

    def set_replicas(self, ready: int, wanted: int, cluster: str) -> None:
        """The number of replicas, and the Ray cluster that answers requests."""
        self._status |= {"readyReplicas": ready, "replicas": wanted}
        self._set_or_drop("rayClusterName", cluster)

    def set_revision(self, revision: str) -> None:
        """The spec that the RayService has from now on."""
        self._status |= {
            "revision": revision,
            "rayServiceName": self._service["metadata"]["name"],
            "updated": rfc3339(self._now),
        }

    def set_failed(self, revision: str, message: str) -> None:
        """The model of a spec cannot be loaded."""
        self._status["failed"] = {"revision": revision, "message": shortened(message)}

    def clear_failed(self) -> None:
        """The spec whose model could not be loaded is no longer the current one, or it is loaded."""
        self._status.pop("failed", None)

    @property
    def failed(self) -> Manifest:
        """The current spec, if its model cannot be loaded: `revision` and `message`; otherwise empty."""
        return dict(self._status.get("failed") or {})

    def set_good(self, checked: CheckedSpec) -> None:
        """The model of a spec is loaded."""
        assert checked.spec
        chosen = checked.spec.model.chosen
        self._status["model"] = {"name": chosen.model} | ({"revision": chosen.revision} if chosen.revision else {})
        kept = {"spec": checked.stored} if len(json.dumps(checked.stored)) <= MAX_KEPT_SPEC else {}
        self._status["lastGood"] = {"revision": checked.revision, **kept}

    def set_deleted(self) -> None:
        """There is no RayService."""
        for key in ("rayClusterName", "rayServiceName", "updated", "model"):
            self._status.pop(key, None)

    def changed(self) -> Manifest | None:
        """The status to write, or None if it is the same as before."""
        generation = int(self._service["metadata"].get("generation", 1))
        before = self._before.get("conditions", ())
        self._follow_kstatus()
        found = conditions(TYPES, self._updates, before, generation, self._now)
        phase, reason = self._phase()
        status = {**self._status, "phase": phase, "reason": reason, "observedGeneration": generation, "conditions": found}
        self._publish_transitions(before, found)
        try:
            same = ModelServiceStatus.model_validate(self._before) == ModelServiceStatus.model_validate(status)
        except ValidationError:  # written by another version of the controller
            same = False
        return None if same else status

    def _follow_kstatus(self) -> None:
        """At most one of Progressing and Stalled is true, and Reconciling is the name of Progressing in kstatus."""
        if self.holds("Stalled"):
            self._updates.pop("Progressing", None)
        if "Progressing" in self._updates:
            self._updates["Reconciling"] = self._updates["Progressing"]

    def _phase(self) -> tuple[ServicePhase, str]:
        true = {kind: update[1] for kind, update in self._updates.items() if update[0] == "True"}
        if self._updates["Accepted"][0] == "False" and "Available" not in true:
            return "Invalid", self._updates["Accepted"][1]
        for kind in ("Suspended", "Stalled"):
            if kind in true:
                return _PHASES[kind], true[kind]
        if "Progressing" in true:
            return ("Updating" if "Available" in true else "Starting"), true["Progressing"]
        if "Available" in true:
            return "Available", true["Available"]
        return "Pending", "Pending"

    def _publish_transitions(self, before: list[Manifest], after: list[Manifest]) -> None:
        """An Event for each condition that becomes true or has another reason, except for a valid spec and for duplicates."""
        known = {(c["type"], c["status"], c["reason"]) for c in before}
        for one in after:
            if one["status"] != "True" or (one["type"], "True", one["reason"]) in known or one["type"] in _WITHOUT_EVENTS:
                continue
            kind = "Warning" if one["type"] == "Stalled" else "Normal"
            self.event(kind, one["reason"], one["message"])

    def _set_or_drop(self, key: str, value: str | None) -> None:
        if value:
            self._status[key] = value
        else:
            self._status.pop(key, None)


def updated_at(status: Manifest) -> datetime | None:
    """When the RayService was last changed."""
    return parse_time(status.get("updated"))
