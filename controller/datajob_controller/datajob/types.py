"""What is observed of a DataJob's world, and what is decided from it. Only data: no behaviour, no cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from datajob_controller.runtime.manifests import Manifest


@dataclass(frozen=True)
class Observed:
    """Everything besides the DataJob itself."""

    ray_jobs: Mapping[str, Manifest] = field(default_factory=dict)
    """RayJobs of the DataJob by name, those being deleted included."""
    config_maps: Mapping[str, Manifest] = field(default_factory=dict)
    """ConfigMaps of the DataJob by name."""
    pods: Sequence[Manifest] = ()
    """Pods of the DataJob, deleted heads included."""
    kuberay: bool = True
    """Whether the API server serves RayJobs."""
    obstacle: "Obstacle | None" = None
    """Why the API server did not take an object of the DataJob."""


class Obstacle(NamedTuple):
    """Something that only a person can clear away; until then the controller tries now and then."""

    reason: str
    message: str


class Event(NamedTuple):
    """Something to tell people who watch the DataJob."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Reference(NamedTuple):
    """An object to delete."""

    kind: str
    name: str


@dataclass(frozen=True)
class Decision:
    """What to do, in this order: create, delete, write the status, and only then tell."""

    create: Sequence[Manifest] = ()
    delete: Sequence[Reference] = ()
    status: Manifest | None = None
    """The whole new status, or None when it stays as it is."""
    events: Sequence[Event] = ()
    requeue_at: datetime | None = None
    """When to look again, if nothing happens before."""
