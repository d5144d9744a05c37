"""Compares the memory of the controller with the cluster: fills it before the first decision, and finds what watches missed.

When a watch is outdated, kopf lists the objects again, but reports nothing about those that were deleted in the meantime.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator

from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import Kube
from datajob_controller.runtime.manifests import SELECTOR, Manifest
from datajob_controller.runtime.resources import Resource
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.stored import Stored

Missed = frozenset[tuple[str, str]]
"""UID of each object of which memory has an older version, and that version, or none."""


class Inventory:
    """The objects of the kinds that the API server serves, in one namespace or in the whole cluster."""

    def __init__(self, kube: Kube, store: Store, kinds: Collection[Kind], enqueue: Callable[[Key], None]) -> None:
        self._kube = kube
        self._store = store
        self._kinds = kinds
        self._enqueue = enqueue

    async def load(self, served: Collection[str], namespace: str = "") -> None:
        """Remember all objects. Nothing is enqueued before the objects of all kinds are known."""
        changed: list[Key] = []
        for resource, selector in self._resources():
            known = self._known(resource, namespace)
            listed: set[str] = set()
            async for manifest in self._list(resource, selector, namespace, resource.kind in served):
                listed.add(manifest["metadata"]["uid"])
                changed += self._store.changed(manifest)
            changed += self._forget(known, listed)
        for key in dict.fromkeys(changed):
            self._enqueue(key)

    async def sweep(self, served: Collection[str], namespace: str = "") -> Missed:
        """Forget objects that no longer exist, and objects of deleted owners. Returns what the watch did not report so far."""
        missed = set()
        for resource, selector in self._resources():
            known = self._known(resource, namespace)
            listed = {}
            async for manifest in self._list(resource, selector, namespace, resource.kind in served, metadata_only=True):
                listed[manifest["metadata"]["uid"]] = int(manifest["metadata"]["resourceVersion"])
            for key in self._forget(known, listed):
                self._enqueue(key)
            now = {one.uid: one.version for one in self._known(resource, namespace) if one.uid in listed}
            missed |= {(uid, str(version)) for uid, version in now.items() if version < listed[uid]}
            if any(kind.resource == resource for kind in self._kinds):
                missed |= {(uid, "") for uid in listed.keys() - now.keys()}
        self._store.forget_orphans()
        return frozenset(missed)

    async def _list(
        self, resource: Resource, selector: str, namespace: str, served: bool, *, metadata_only: bool = False
    ) -> AsyncIterator[Manifest]:
        """The objects of a resource; none if the API server does not serve it."""
        if served:
            async for page in self._kube.pages(resource.kind, namespace, selector, metadata_only=metadata_only):
                for manifest in page:
                    yield manifest

    def _known(self, resource: Resource, namespace: str) -> list[Stored]:
        return [one for one in self._store.known(resource.kind) if namespace in ("", one.namespace)]

    def _forget(self, known: Collection[Stored], listed: Collection[str]) -> Iterator[Key]:
        """What was known before the list was requested and is not in it does not exist."""
        for one in known:
            if one.uid not in listed:
                yield from self._store.changed(one.manifest, deleted=True)

    def _resources(self) -> Iterator[tuple[Resource, str]]:
        """Each kind with its label selector; owners come first, because they decide what belongs to them."""
        primary = {kind.name: kind.resource for kind in self._kinds}
        owned = {one.resource.kind: one.resource for kind in self._kinds for one in kind.owned}
        for kind, resource in {**primary, **owned}.items():
            yield resource, "" if kind in primary else SELECTOR
