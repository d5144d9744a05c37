"""Compares the memory of the controller with the cluster: fills it before the first decision, and finds what watches missed.

When a watch is outdated, kopf lists the objects again, but reports nothing about those that were deleted in the meantime.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator

from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import UNREACHABLE, ApiError, Kube
from datajob_controller.runtime.manifests import SELECTOR
from datajob_controller.runtime.resources import Resource
from datajob_controller.runtime.store import Key, Store

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 300
SETTLE_SECONDS = 5
"""Delay of a comparison after a new list, so that one comparison follows the lists of all kinds."""


class Inventory:
    """The objects of the kinds that the API server serves, in some namespaces or in the whole cluster."""

    def __init__(self, kube: Kube, store: Store, kinds: Collection[Kind], enqueue: Callable[[Key], None]) -> None:
        self._kube = kube
        self._store = store
        self._kinds = kinds
        self._enqueue = enqueue
        self.listed_again = asyncio.Event()
        """Set when a watch has listed its objects again."""

    async def load(self, served: Collection[str], namespaces: Collection[str] = ()) -> None:
        """Remember all objects. Nothing is enqueued before the objects of all kinds are known."""
        changed = [key async for key in self._compare(served, namespaces, whole=True)]
        for key in dict.fromkeys(changed):
            self._enqueue(key)

    async def sweep(self, served: Collection[str], namespaces: Collection[str] = ()) -> None:
        """Forget objects that no longer exist, and objects of owners that were deleted."""
        async for key in self._compare(served, namespaces, whole=False):
            self._enqueue(key)
        self._store.forget_orphans()

    async def keep_sweeping(self, served: Collection[str], namespaces: Collection[str] = ()) -> None:
        """Sweep periodically, and after each time that a watch has listed its objects again."""
        while True:
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self.listed_again.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            except TimeoutError:
                pass
            self.listed_again.clear()
            try:
                await self.sweep(served, namespaces)
            except UNREACHABLE as error:
                logger.warning("cannot list the objects in the cluster: %r", error)

    async def _compare(self, served: Collection[str], namespaces: Collection[str], *, whole: bool) -> AsyncIterator[Key]:
        for resource, selector in self._resources(served):
            for namespace in namespaces or ("",):
                try:
                    async for key in self._compare_one(resource, selector, namespace, whole):
                        yield key
                except ApiError as error:
                    if error.code not in (403, 404):
                        raise
                    logger.warning("cannot list %s in %s: %s", resource.plural, namespace or "the cluster", error)

    async def _compare_one(self, resource: Resource, selector: str, namespace: str, whole: bool) -> AsyncIterator[Key]:
        """What was known before the list was requested and is not in it does not exist."""
        known = [one for one in self._store.known(resource.kind) if namespace in ("", one["metadata"]["namespace"])]
        listed = set()
        async for page in self._kube.pages(resource.kind, namespace, selector, metadata_only=not whole):
            for manifest in page:
                listed.add(manifest["metadata"]["uid"])
                for key in self._store.changed(manifest) if whole else ():
                    yield key
        for manifest in known:
            if manifest["metadata"]["uid"] not in listed:
                for key in self._store.changed(manifest, deleted=True):
                    yield key

    def _resources(self, served: Collection[str]) -> Iterator[tuple[Resource, str]]:
        """Each kind with its label selector; owners come first, because they decide what belongs to them."""
        primary = {kind.name: kind.resource for kind in self._kinds}
        owned = {one.resource.kind: one.resource for kind in self._kinds for one in kind.owned}
        for kind, resource in {**primary, **owned}.items():
            if kind in served:
                yield resource, "" if kind in primary else SELECTOR
