"""The conditions of a DataJob: all eight are always present, and a transition time changes only with its status.

`Reconciling` and `Stalled` follow kstatus, so that kubectl, Flux and Argo CD can distinguish progress from failure. At most one
of them is true. `Finished` is true once the controller does nothing more without an edit, regardless of the outcome.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, get_args

from datajob.api.status import ConditionType
from datajob_controller.datajob.text import shortened
from datajob_controller.runtime.manifests import Manifest, parse_time, rfc3339

TYPES: tuple[ConditionType, ...] = get_args(ConditionType)
MAX_MESSAGE = 4000

State = Literal["True", "False", "Unknown"]
ConditionUpdate = tuple[State, str, str]
"""Status, reason and message."""
ConditionUpdates = Mapping[ConditionType, ConditionUpdate]
"""The conditions that change."""


def conditions(updates: ConditionUpdates, before: Iterable[Manifest], generation: int, now: datetime) -> list[Manifest]:
    """The complete list. Types without an update are False, with the reason of the first one that is True."""
    known = {condition["type"]: condition for condition in before}
    return [
        _condition(kind, *updates.get(kind, ("False", deciding_reason(updates), "")), known.get(kind), generation, now)
        for kind in TYPES
    ]


def is_true(conditions: Iterable[Manifest], kind: ConditionType) -> bool:
    """Whether a condition is True."""
    return true_reason(conditions, kind) is not None


def true_reason(conditions: Iterable[Manifest], kind: ConditionType) -> str | None:
    """The reason of a condition that is True; None if it is not."""
    return next((str(c["reason"]) for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def since_true(conditions: Iterable[Manifest], kind: ConditionType, reason: str) -> datetime | None:
    """Since when a condition is True; None if it is not, or for another reason."""
    found = (c for c in conditions if c["type"] == kind and c["status"] == "True" and c["reason"] == reason)
    return parse_time(next((c["lastTransitionTime"] for c in found), None))


def deciding_reason(updates: ConditionUpdates) -> str:
    """The reason of the first condition that is True, apart from `Accepted`."""
    for kind in TYPES:
        if kind != "Accepted" and kind in updates and updates[kind][0] == "True":
            return updates[kind][1]
    return "Pending"


def _condition(
    kind: ConditionType, status: State, reason: str, message: str, before: Manifest | None, generation: int, now: datetime
) -> Manifest:
    same = before is not None and before["status"] == status
    since = before["lastTransitionTime"] if before is not None and same else rfc3339(now)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": shortened(message, MAX_MESSAGE),
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
