"""Keeps every namespace watched: each one by itself, so that a fault in one never delays the others."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress

from datajob_controller.runtime.claims import ASK_SECONDS, Claims
from datajob_controller.runtime.inventory import Inventory
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import UNREACHABLE, ApiError, Kube
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.namespaces import Namespaces
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.tasks import first_of
from datajob_controller.runtime.watch import Watch, WatchEndedError

logger = logging.getLogger(__name__)

CLUSTER = ""
"""The scope of a watch of all namespaces; other scopes are names of namespaces."""
NAMESPACES_SECONDS = 15
"""Interval at which labels of namespaces, and namespaces that cannot be watched, are asked for again."""
DISCOVERY_SECONDS = 60
MISSING_SECONDS = 5
SWEEP_SECONDS = 300
SETTLE_SECONDS = 5
"""Delay of a comparison after a new list, so that one comparison follows the lists of all kinds."""
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
LASTING_SECONDS = 60
"""A watch that ends after this time is started again without a longer delay than the first."""


class OutdatedError(Exception):
    """A watch did not report a change."""


class Watches:
    """The watches of a leader. `discovered` is called with the kinds that the API server does not serve."""

    def __init__(
        self,
        kube: Kube,
        kinds: Collection[Kind],
        store: Store,
        enqueue: Callable[[Key], None],
        settings: Settings,
        metrics: Metrics,
        discovered: Callable[[frozenset[str]], None],
    ) -> None:
        self._kube = kube
        self._kinds = kinds
        self._store = store
        self._enqueue = enqueue
        self._settings = settings
        self._metrics = metrics
        self._discovered = discovered
        self._resources = {resource.kind: resource for kind in kinds for resource in kind.resources}
        self._inventory = Inventory(kube, store, kinds, enqueue)
        self._namespaces = Namespaces(kube, self._resources, settings, metrics)
        self._claims = Claims(kube, settings)
        self._served: frozenset[str] | None = None
        self._changed = asyncio.Event()
        self._loaded: set[str] = set()
        self._watched: set[str] = set()
        self._claimed: set[str] = set()

    @property
    def established(self) -> bool:
        """Whether something is watched. A namespace that cannot be watched does not make the controller unready for others."""
        return bool(self._watched)

    def serves(self, namespace: str) -> bool:
        """Whether objects in a namespace are served."""
        return self._knows(namespace) and self._claims.held(namespace)

    async def may_reconcile(self, namespace: str) -> bool:
        """Whether objects in a namespace may be reconciled; claims the namespace when its first object appears."""
        return self._knows(namespace) and await self._claim(namespace)

    def _knows(self, namespace: str) -> bool:
        """Whether all objects in a namespace are known, since a decision may rely on the absence of an object."""
        scope = namespace if self._settings.namespaces else CLUSTER
        return scope in self._loaded and self._namespaces.includes(namespace)

    async def _claim(self, namespace: str) -> bool:
        held = await self._claims.hold(namespace)
        if held != (namespace in self._claimed):
            (self._claimed.add if held else self._claimed.discard)(namespace)
            self._enqueue_all(namespace)
        await self._namespaces.report_claim(namespace, "" if held else self._claims.refusal(namespace))
        return held

    async def _keep_claims(self) -> None:
        """Renew the claims, and ask for namespaces that another controller serves."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            for namespace in {*self._loaded, *(key.namespace for key in self._store.all_keys())} - {CLUSTER}:
                if self._knows(namespace):
                    await self._claim(namespace)

    async def run(self) -> None:
        """Watch until cancelled."""
        scopes = self._settings.namespaces or (CLUSTER,)
        others = [self._follow_labels()] if self._settings.namespace_selector else []
        await first_of(self._keep_discovering(), self._keep_claims(), *others, *map(self._keep, scopes))

    async def _keep(self, scope: str) -> None:
        """Watch a scope, and start again after each error."""
        loop, delay = asyncio.get_running_loop(), FIRST_DELAY
        while True:
            began = loop.time()
            try:
                await self._watch(scope)
                reason, delay = "ResourcesChanged", 0.0
            except OutdatedError:
                reason = "ChangesMissed"
                logger.error("the watch of %s missed changes and is restarted", scope or "the cluster")
            except (WatchEndedError, *UNREACHABLE) as error:
                reason = "WatchFailed"
                logger.warning("the watch of %s failed and is restarted: %s", scope or "the cluster", str(error) or repr(error))
            except Exception:
                reason = "WatchFailed"
                logger.exception("the watch of %s failed and is restarted", scope or "the cluster")
            self._metrics.watch_restarts.labels(reason).inc()
            await asyncio.sleep(delay)
            lasted = loop.time() - began > LASTING_SECONDS
            delay = FIRST_DELAY if lasted else min(max(delay * 2, FIRST_DELAY), LONGEST_DELAY)

    async def _watch(self, scope: str) -> None:
        """Watch a scope until the API server serves other kinds than before. Raises an exception if the watch fails."""
        if scope != CLUSTER:
            await self._wait_for_permission(scope)
        await self._discover()
        served, changed = self._served or frozenset(), self._changed
        await self._inventory.load(served, scope)
        self._loaded.add(scope)
        if scope != CLUSTER:
            await self._claim(scope)
        self._enqueue_all(scope)
        if not any(kind.name in served for kind in self._kinds):
            await changed.wait()
            return
        listed = asyncio.Event()

        def receive(manifest: Manifest, what: str | None) -> None:
            if what is None:
                listed.set()
            for key in self._store.changed(manifest, deleted=what == "DELETED"):
                self._enqueue(key)

        try:
            self._watched.add(scope)
            watch = Watch(self._kinds, served, scope, receive)
            await first_of(watch.run(), self._keep_sweeping(served, scope, listed), changed.wait())
        finally:
            self._watched.discard(scope)

    async def _wait_for_permission(self, namespace: str) -> None:
        while not await self._namespaces.can_be_watched(namespace):
            self._loaded.discard(namespace)
            self._store.drop_namespace(namespace)
            await asyncio.sleep(NAMESPACES_SECONDS)

    async def _keep_sweeping(self, served: Collection[str], scope: str, listed: asyncio.Event) -> None:
        """Sweep periodically, and after each time that a watch has listed its objects again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await listed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            listed.clear()
            try:
                missed = await self._inventory.sweep(served, scope)
                if missed:
                    await asyncio.sleep(SETTLE_SECONDS)  # what changed during the comparison arrives meanwhile
                    if missed & await self._inventory.sweep(served, scope):
                        raise OutdatedError
            except UNREACHABLE as error:
                if isinstance(error, ApiError) and error.code in (403, 404):
                    raise
                logger.warning("cannot list the objects in %s: %r", scope or "the cluster", error)

    async def _keep_discovering(self) -> None:
        needed = {kind for kind, resource in self._resources.items() if not resource.optional}
        while True:
            complete = self._served is not None and self._served >= needed
            await asyncio.sleep(DISCOVERY_SECONDS if complete else MISSING_SECONDS)
            with suppress(*UNREACHABLE):
                await self._discover()

    async def _discover(self) -> None:
        """Ask the API server which kinds it serves, core kinds always. All watches are restarted if that has changed."""
        kinds = self._resources.items()
        served = frozenset([kind for kind, resource in kinds if not resource.group or await self._kube.serves(kind)])
        self._discovered(frozenset(self._resources.keys() - served))
        if served != self._served:
            if missing := sorted(kind.name for kind in self._kinds if kind.name not in served):
                logger.warning("the API server does not serve %s: install the CustomResourceDefinition", ", ".join(missing))
            self._served = served
            self._changed.set()
            self._changed = asyncio.Event()

    async def _follow_labels(self) -> None:
        while True:
            try:
                changed = await self._namespaces.select()
                for namespace in changed:
                    self._enqueue_all(namespace)
            except UNREACHABLE as error:
                logger.warning("cannot look up namespaces: %r", error)
            await asyncio.sleep(NAMESPACES_SECONDS)

    def _enqueue_all(self, scope: str) -> None:
        for key in self._store.all_keys():
            if scope in (CLUSTER, key.namespace):
                self._enqueue(key)
