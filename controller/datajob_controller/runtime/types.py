"""What is observed of an object, and what a kind decides from it. Data only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from datajob_controller.runtime.manifests import Manifest


class Obstacle(NamedTuple):
    """A refusal of the API server that only a user can resolve. The controller retries periodically."""

    reason: str
    message: str


@dataclass(frozen=True)
class Observed:
    """Everything that is known about an object apart from the object itself."""

    owned: Mapping[str, Mapping[str, Manifest]] = field(default_factory=dict)
    """The objects that belong to it, by kind and name. Includes objects that are being deleted, and remembered ones."""
    unserved: Collection[str] = frozenset()
    """Kinds that the API server does not serve."""
    obstacle: Obstacle | None = None
    """Why the API server refused an object, if it did."""

    warnings: Mapping[str, str] = field(default_factory=dict)
    """Reason and message of the last warning Event about some objects, by name."""

    def of(self, kind: str) -> Mapping[str, Manifest]:
        """The objects of one kind, by name."""
        return self.owned.get(kind, {})


class Event(NamedTuple):
    """A Kubernetes Event about the object."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Reference(NamedTuple):
    """An object in the namespace of its owner."""

    kind: str
    name: str


class Patch(NamedTuple):
    """A change of an observed object that belongs to the owner, or to an object of the owner."""

    kind: str
    name: str
    operations: Sequence[Manifest]
    """Operations of a JSON patch. Operations that no longer apply are an error, and the decision is repeated."""


@dataclass(frozen=True)
class Decision:
    """What to do, in this order: create, patch, delete, write the status, and only then publish Events."""

    create: Sequence[Manifest] = ()
    patch: Sequence[Patch] = ()
    delete: Sequence[Reference] = ()
    status: Manifest | None = None
    """The complete new status, or None if it does not change."""
    events: Sequence[Event] = ()
    requeue_at: datetime | None = None
    """When to decide again if nothing happens before."""
