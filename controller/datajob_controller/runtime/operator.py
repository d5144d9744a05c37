"""The process: leads or stands by, watches with kopf, works through the queue, and answers probes."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from prometheus_client import generate_latest

from datajob_controller.runtime.http import Health, serve
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.kube import UNREACHABLE, Kube, load_configuration
from datajob_controller.runtime.lease import Lease
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.reconcile import Reconciler
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.stored import Stored
from datajob_controller.runtime.tasks import background, first_of
from datajob_controller.runtime.types import Event
from datajob_controller.runtime.watch import END_SECONDS, wait_for_threads
from datajob_controller.runtime.watches import Watches
from datajob_controller.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15
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
        self.watches: Watches | None = None
        self.kind_metrics = {kind.name: kind.metrics(self.metrics.registry, self._lister(kind)) for kind in kinds}
        self.health = Health(lambda: self._stands_by or bool(self.watches and self.watches.established), self.metrics)
        self.port = 0
        self._stands_by = False
        self._faulty: set[Key] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set or the leadership is lost."""
        configuration = await load_configuration()
        async with Kube(configuration, self.resources.values(), self.metrics.observe_request) as kube:
            runner, self.port = await serve(self.health, self._render, self.settings.http_port)
            try:
                await self._stand_by_and_lead(Lease(kube, self.settings), kube, stop)
            finally:
                await runner.cleanup()

    def _render(self) -> bytes:
        """All metrics, those of the process first."""
        texts = (metrics.text().encode() for metrics in self.kind_metrics.values())
        return b"".join((generate_latest(self.metrics.registry), *texts))

    async def _stand_by_and_lead(self, lease: Lease, kube: Kube, stop: asyncio.Event) -> None:
        self._stands_by = True
        stopped = asyncio.create_task(stop.wait())
        await first_of(stopped, self._acquire(lease))
        if stop.is_set():
            return
        self._stands_by = False
        self.metrics.leader.set(1)
        await first_of(stopped, lease.hold(), self._lead(kube))
        self.metrics.leader.set(0)
        await lease.release()
        await wait_for_threads(END_SECONDS)

    async def _acquire(self, lease: Lease) -> None:
        async with background(self._standby_heartbeats()):
            await lease.acquire()

    async def _standby_heartbeats(self) -> None:
        while True:
            self.health.heartbeat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _lead(self, kube: Kube) -> None:
        kinds = {kind.name: (kind, self.kind_metrics[kind.name]) for kind in self.kinds}
        reconciler = Reconciler(kube, self.store, kinds, self.settings, self.metrics, self.queue.add_after)

        def discovered(unserved: frozenset[str]) -> None:
            reconciler.unserved = unserved
            for metrics in self.kind_metrics.values():
                metrics.discovered(unserved)

        self.watches = Watches(kube, self.kinds, self.store, self.queue.add, self.settings, self.metrics, discovered)
        handle, waited = self._worker(reconciler), self.metrics.queue_seconds.observe
        workers = [self.queue.work(handle, waited) for _ in range(self.settings.reconcilers)]
        await first_of(*workers, self.watches.run(), self._heartbeats())

    def _serves(self, namespace: str) -> bool:
        return bool(self.watches and self.watches.serves(namespace))

    def _worker(self, reconciler: Reconciler) -> Callable[[Key], Awaitable[None]]:
        async def handle(key: Key) -> None:
            if key == HEARTBEAT:
                self.health.heartbeat()
                return
            if not (self.watches and await self.watches.may_reconcile(key.namespace)):
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
        if owner := self.store.get(key):
            message = f"The controller failed to reconcile this object and will retry: {type(error).__name__}: {error}"
            await reconciler.publish(owner, Event("Warning", "ReconcileFailed", message[:MAX_EVENT]), datetime.now(UTC))

    async def _heartbeats(self) -> None:
        while True:
            self.queue.add(HEARTBEAT)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _lister(self, kind: Kind) -> Callable[[], list[Stored]]:
        """Lists the objects of a kind that are served."""
        return lambda: [one for one in self.store.all(kind.name) if self._serves(one.namespace)]


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` when the process is asked to stop."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
