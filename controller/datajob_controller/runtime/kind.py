"""The interface between the runtime and a kind of object that it serves.

A kind is a package next to `runtime`. It builds one `Kind` from pure functions, which `datajob_controller.kinds` registers.
The runtime watches, remembers, queues and carries out decisions in the same way for all kinds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from datajob_controller.runtime.manifests import Manifest, belongs_to
from datajob_controller.runtime.resources import Resource
from datajob_controller.runtime.stored import Stored
from datajob_controller.runtime.types import Decision, Observed, Reference

Decide = Callable[[Manifest, Observed, datetime], Decision]
"""The decision about one object at a point in time: pure, and independent of how the state came about."""


class KindMetrics:
    """Metrics of one kind; this base class counts nothing."""

    def created(self, owner: Manifest, manifests: Sequence[Manifest], now: datetime) -> None:
        """Objects of `owner` were created."""

    def status_written(self, owner: Manifest, status: Manifest) -> None:
        """A new status was written; `owner` still has the previous one."""

    def discovered(self, unserved: Collection[str]) -> None:
        """The API server was asked which kinds it serves; `unserved` are the missing ones."""

    def text(self) -> str:
        """The metrics of single objects in the text format of Prometheus. Called by one thread, not that of the controller."""
        return ""


Objects = Callable[[], Iterable[Stored]]
MakeMetrics = Callable[[CollectorRegistry, Objects], KindMetrics]
"""Creates the metrics of a kind; the second argument lists all its objects."""


def keep_nothing(_: Manifest) -> Manifest:
    """Keep only the metadata of an object."""
    return {}


def keep_spec_and_status(manifest: Manifest) -> Manifest:
    """Keep all of an object except noise in its metadata."""
    return {key: manifest[key] for key in ("apiVersion", "spec", "status") if key in manifest}


def is_controlled_by(owner: Manifest, manifest: Manifest) -> bool:
    """Whether the owner reference of an object names `owner` as its controller."""
    return belongs_to(manifest, owner["metadata"]["uid"])


@dataclass(frozen=True)
class OwnedKind:
    """A kind of object that belongs to objects of the served kind and is watched for them."""

    resource: Resource
    keep: Callable[[Manifest], Manifest] = keep_nothing
    """The parts of an object, apart from its metadata, that decisions need. Everything else only uses memory."""
    belongs: Callable[[Manifest, Manifest], bool] = is_controlled_by
    """Whether an object (second argument) belongs to an owner (first argument) in its namespace. Anyone can set a label."""
    remembers: Callable[[Manifest, Iterable[Manifest]], bool] = lambda _deleted, _others: False
    """Whether a deleted object is remembered, marked with the annotation `GONE`; the second argument are the other objects."""
    forgets: Callable[[Manifest, Manifest], bool] = lambda _remembered, _deleted: False
    """Whether the deletion of another object (second argument) ends the memory of a deleted one (first argument)."""


@dataclass(frozen=True)
class Kind:
    """A kind of object that the controller serves."""

    resource: Resource
    decide: Decide
    owned: tuple[OwnedKind, ...] = ()
    is_quick: Callable[[Manifest], bool] = lambda _: True
    """Whether the decision about an object takes milliseconds at most. Other decisions are made in a thread."""
    keep: Callable[[Manifest], Manifest] = keep_spec_and_status
    """The parts of an object, apart from its metadata, that decisions need."""
    rests: Callable[[Manifest], bool] = lambda _: False
    """Whether an object is expected to stay as it is. It is compressed in memory, and so is what belongs to it."""
    verify: Callable[[Manifest, Observed], Sequence[Reference]] = lambda _object, _observed: ()
    """Owned objects to ask the API server for before a decision relies on their absence, because a watch may be late."""
    inquire: Callable[[Manifest, Observed, datetime], Sequence[Reference]] = lambda _object, _observed, _now: ()
    """Owned objects whose last warning Event a decision needs. They are asked for each time, because Events are not watched."""
    metrics: MakeMetrics = lambda _registry, _objects: KindMetrics()

    @property
    def name(self) -> str:
        """The `kind` of its objects."""
        return self.resource.kind

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Its resource and those of the kinds that it owns."""
        return (self.resource, *(owned.resource for owned in self.owned))


GONE = "datajob.io/gone"
"""Annotation of a remembered object that was deleted. It exists only in memory and is never written to the cluster."""


def is_gone(manifest: Manifest) -> bool:
    """Whether a remembered object was deleted."""
    return GONE in (manifest["metadata"].get("annotations") or {})
