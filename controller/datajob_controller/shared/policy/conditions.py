"""The conditions of an object: all types are always present, and a transition time changes only with its status."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar

from datajob_controller.runtime.manifests import Manifest, parse_time, rfc3339
from datajob_controller.shared.text import shortened

MAX_MESSAGE = 4000

State = Literal["True", "False", "Unknown"]
ConditionUpdate = tuple[State, str, str]
"""Status, reason and message."""
T = TypeVar("T", bound=str)


def conditions(
    types: Sequence[T], updates: Mapping[T, ConditionUpdate], before: Iterable[Manifest], generation: int, now: datetime
) -> list[Manifest]:
    """The complete list. Types without an update are False, with the reason of the first one that is True."""
    known = {condition["type"]: condition for condition in before}
    return [
        _condition(kind, *updates.get(kind, ("False", deciding_reason(types, updates), "")), known.get(kind), generation, now)
        for kind in types
    ]


def is_true(conditions: Iterable[Manifest], kind: str) -> bool:
    """Whether a condition is True."""
    return true_reason(conditions, kind) is not None


def true_reason(conditions: Iterable[Manifest], kind: str) -> str | None:
    """The reason of a condition that is True; None if it is not."""
    return next((str(c["reason"]) for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def since_true(conditions: Iterable[Manifest], kind: str, reason: str) -> datetime | None:
    """Since when a condition is True; None if it is not, or for another reason."""
    found = (c for c in conditions if c["type"] == kind and c["status"] == "True" and c["reason"] == reason)
    return parse_time(next((c["lastTransitionTime"] for c in found), None))


def deciding_reason(types: Sequence[T], updates: Mapping[T, ConditionUpdate]) -> str:
    """The reason of the first condition that is True, apart from `Accepted`."""
    for kind in types:
        if kind != "Accepted" and kind in updates and updates[kind][0] == "True":
            return updates[kind][1]
    return "Pending"


def _condition(
    kind: str, status: State, reason: str, message: str, before: Manifest | None, generation: int, now: datetime
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
