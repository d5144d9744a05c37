"""The process: leads or stands by, watches with kopf, works through the queue, and answers probes."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from datajob_controller.runtime.handlers import watch
from datajob_controller.runtime.http import Health, serve
from datajob_controller.runtime.inventory import Inventory
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import UNREACHABLE, Kube, load_configuration
from datajob_controller.runtime.lease import Lease
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.namespaces import Namespaces
from datajob_controller.runtime.reconcile import Reconciler
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.types import Event
from datajob_controller.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15
DISCOVERY_SECONDS = 60
MISSING_SECONDS = 5
LOAD_AGAIN_SECONDS = 2
MAX_EVENT = 1000
HEARTBEAT = Key("", "", "")
"""A key that belongs to no object. It passes through the queue to prove that the queue works."""


class Operator:
    """One replica of the controller."""

    def __init__(self, settings: Settings, kinds: Sequence[Kind]) -> None:
        self.settings = settings
        self.kinds = tuple(kinds)
        self.resources = {resource.kind: resource for kind in kinds for resource in kind.resources}
        self.store = Store(kinds)
        self.queue: WorkQueue[Key] = WorkQueue()
        self.metrics = Metrics()
        self.metrics.queue_depth.set_function(self.queue.depth)
        self.metrics.failing.set_function(self.queue.failing)
        self.namespaces = Namespaces(settings, self.metrics)
        self.kind_metrics = {kind.name: kind.metrics(self.metrics.registry, self._lister(kind)) for kind in kinds}
        self.health = Health(lambda: self._leads_and_watches or self._stands_by, self.metrics)
        self.port = 0
        self._leads_and_watches = False
        self._stands_by = False
        self._stop = asyncio.Event()
        self._loaded = asyncio.Event()
        self._faulty: set[Key] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set or the leadership is lost."""
        self._stop = stop
        configuration = await load_configuration()
        async with Kube(configuration, self.resources.values(), self.metrics.observe_request) as kube:
            runner, self.port = await serve(self.health, self.metrics, self.settings.http_port)
            try:
                await self._stand_by_and_lead(Lease(kube, self.settings), kube, stop)
            finally:
                await runner.cleanup()

    async def _stand_by_and_lead(self, lease: Lease, kube: Kube, stop: asyncio.Event) -> None:
        self._stands_by = True
        stopped = asyncio.create_task(stop.wait())
        await _first_of(stopped, self._acquire(lease))
        if stop.is_set():
            return
        self._stands_by = False
        self.metrics.leader.set(1)
        await _first_of(stopped, lease.hold(), self._lead(kube))
        self.metrics.leader.set(0)
        await lease.release()

    async def _acquire(self, lease: Lease) -> None:
        async with _background(self._standby_heartbeats()):
            await lease.acquire()

    async def _standby_heartbeats(self) -> None:
        while True:
            self.health.heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _lead(self, kube: Kube) -> None:
        kinds = {kind.name: (kind, self.kind_metrics[kind.name]) for kind in self.kinds}
        reconciler = Reconciler(kube, self.store, kinds, self.settings, self.metrics, self.queue.add_after)
        workers = [self._work(self._worker(reconciler)) for _ in range(self.settings.reconcilers)]
        await _first_of(*workers, self._watch(kube, reconciler), self._heartbeats())

    async def _work(self, handle: Callable[[Key], Awaitable[None]]) -> None:
        """Work through the queue once everything is known: a decision may rely on the absence of an object."""
        await self._loaded.wait()
        await self.queue.work(handle, self.metrics.queue_seconds.observe)

    def _worker(self, reconciler: Reconciler) -> Callable[[Key], Awaitable[None]]:
        async def handle(key: Key) -> None:
            if key == HEARTBEAT:
                self.health.heartbeat()
                return
            if not self.namespaces.includes(key.namespace):
                return
            with self.metrics.reconcile_seconds.time():
                try:
                    await reconciler.reconcile(key)
                    self._faulty.discard(key)
                except Exception as error:
                    self.metrics.reconcile_errors.labels(type(error).__name__).inc()
                    if key not in self._faulty and not isinstance(error, UNREACHABLE):
                        self._faulty.add(key)
                        await self._publish_fault(reconciler, key, error)
                    raise

        return handle

    async def _publish_fault(self, reconciler: Reconciler, key: Key, error: Exception) -> None:
        """Publish an Event about an error of the controller with one object, once."""
        if owner := self.store.objects.get(key):
            message = f"The controller failed to reconcile this object and will retry: {type(error).__name__}: {error}"
            await reconciler.publish(owner, Event("Warning", "ReconcileFailed", message[:MAX_EVENT]), datetime.now(UTC))

    async def _heartbeats(self) -> None:
        while True:
            self.queue.add(HEARTBEAT)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch(self, kube: Kube, reconciler: Reconciler) -> None:
        """Run kopf for what can be watched, and restart it when that changes, as when KubeRay is installed."""
        await self._namespaces_changed(await self.namespaces.refresh(kube, self.resources))
        inventory = Inventory(kube, self.store, self.kinds, self.queue.add)
        while True:
            served = await self._served(kube)
            await self._load(inventory, served)
            self._discovered(reconciler, served)
            for key in self.store.objects:
                self.queue.add(key)
            missing = [kind.name for kind in self.kinds if kind.name not in served]
            if missing:
                logger.warning("the API server does not serve %s: install the CustomResourceDefinition", ", ".join(missing))
            changed, ready = asyncio.Event(), asyncio.Event()
            changes = self._wait_for_change(kube, reconciler, served, changed), self._follow_namespaces(kube, changed)
            swept = () if self.namespaces.none_can_be_watched else served
            sweeps = inventory.keep_sweeping(swept, self.namespaces.to_watch)
            async with _background(*changes, sweeps, self._wait_until_ready(ready)):
                if len(missing) == len(self.kinds) or self.namespaces.none_can_be_watched:
                    await changed.wait()
                else:
                    await self._run_kopf(kube, served, inventory, changed, ready)
            self._leads_and_watches = False

    async def _run_kopf(
        self, kube: Kube, served: set[str], inventory: Inventory, changed: asyncio.Event, ready: asyncio.Event
    ) -> None:
        flags, namespaces = {"stop_flag": changed, "ready_flag": ready}, self.namespaces.to_watch
        listed = inventory.listed_again.set
        try:
            await watch(self.kinds, served, namespaces, self.store, self.queue, self.settings, listed, **flags)
            stop_on_signals(self._stop)  # kopf replaces the signal handlers
        except Exception as error:
            stop_on_signals(self._stop)
            lost = await self.namespaces.refresh(kube, self.resources) if self.settings.namespaces else frozenset()
            if not lost:
                raise
            logger.warning("the watches ended and are restarted without %s: %s", ", ".join(sorted(lost)), error)
            self.metrics.watch_restarts.labels("NamespaceNotWatched").inc()
            await self._namespaces_changed(lost)
            return
        if not changed.is_set():  # kopf received a signal
            self._stop.set()
            await asyncio.Event().wait()

    async def _namespaces_changed(self, names: frozenset[str]) -> None:
        """Forget what is no longer watched, and reconcile what is served from now on."""
        for name in names:
            if self.settings.namespaces and not self.namespaces.includes(name):
                self.store.drop_namespace(name)
        for key in self.store.objects:
            if key.namespace in names:
                self.queue.add(key)

    async def _follow_namespaces(self, kube: Kube, changed: asyncio.Event) -> None:
        async def restart(names: frozenset[str]) -> None:
            await self._namespaces_changed(names)
            if self.settings.namespaces:
                self.metrics.watch_restarts.labels("NamespaceWatched").inc()
                changed.set()

        await self.namespaces.follow(kube, self.resources, restart)

    async def _load(self, inventory: Inventory, served: set[str]) -> None:
        """Remember everything in the cluster. Until that succeeds for the first time, nothing is reconciled."""
        while True:
            try:
                if not self.namespaces.none_can_be_watched:
                    await inventory.load(served, self.namespaces.to_watch)
            except UNREACHABLE as error:
                logger.warning("cannot list the objects in the cluster and will retry: %r", error)
                await asyncio.sleep(LOAD_AGAIN_SECONDS)
            else:
                self._loaded.set()
                return

    async def _wait_until_ready(self, ready: asyncio.Event) -> None:
        await ready.wait()
        self._leads_and_watches = True

    async def _wait_for_change(self, kube: Kube, reconciler: Reconciler, served: set[str], changed: asyncio.Event) -> None:
        while True:
            missing = reconciler.unserved or self.resources.keys() - served
            await asyncio.sleep(MISSING_SECONDS if missing else DISCOVERY_SECONDS)
            with suppress(*UNREACHABLE):
                if await self._served(kube) != served:
                    self.metrics.watch_restarts.labels("ResourcesChanged").inc()
                    changed.set()
                    return
                self._discovered(reconciler, served)

    def _discovered(self, reconciler: Reconciler, served: set[str]) -> None:
        reconciler.unserved = frozenset(self.resources.keys() - served)
        for metrics in self.kind_metrics.values():
            metrics.discovered(reconciler.unserved)

    async def _served(self, kube: Kube) -> set[str]:
        """The kinds that the API server serves; core kinds always."""
        return {kind for kind, resource in self.resources.items() if not resource.group or await kube.serves(kind)}

    def _lister(self, kind: Kind) -> Callable[[], list[dict[str, Any]]]:
        """Lists the objects of a kind that are served."""
        return lambda: [one for one in self.store.all(kind.name) if self.namespaces.includes(one["metadata"]["namespace"])]


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` when the process is asked to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


@asynccontextmanager
async def _background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that run for the duration of a block."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        await _cancel(tasks)


async def _first_of(*awaitables: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
    """Wait until one ends, cancel the others, and raise its exception if it has one."""
    own = [one for one in awaitables if isinstance(one, asyncio.Task)]
    tasks = [asyncio.create_task(one) for one in awaitables if not isinstance(one, asyncio.Task)]
    done, _ = await asyncio.wait([*own, *tasks], return_when=asyncio.FIRST_COMPLETED)
    await _cancel(tasks)
    for task in done:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
