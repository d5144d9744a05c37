"""The process: leads or stands by, watches with kopf, works through the queue, and answers probes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
from kopf._core.engines.peering import Identity

from datajob_controller.datajob.types import Event
from datajob_controller.runtime.handlers import OWNED, operator_settings, registry
from datajob_controller.runtime.http import Health, serve
from datajob_controller.runtime.kube import ApiError, Kube, load_configuration
from datajob_controller.runtime.lease import Lease
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.reconcile import Reconciler
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.workqueue import WorkQueue

logger = logging.getLogger(__name__)

BEAT_SECONDS = 15
DISCOVERY_SECONDS = 60
MISSING_SECONDS = 5
_UNREACHABLE = (ApiError, aiohttp.ClientError, TimeoutError, OSError)
BEAT: Key = ("", "")
"""A key that is no DataJob: it goes through the queue to prove that the queue moves."""


class Operator:
    """Everything a replica has; `run` is its life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.metrics = Metrics(self.store)
        self.metrics.queue_depth.set_function(self.queue.depth)
        self.health = Health(lambda: self._leads_and_watches or self._stands_by, self.metrics)
        self.port = 0
        self._leads_and_watches = False
        self._stands_by = False
        self._stop = asyncio.Event()
        self._faulty: set[Key] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Live until `stop` is set or the leadership is lost."""
        self._stop = stop
        configuration = await load_configuration()
        async with Kube(configuration, self.metrics.observe_request) as kube:
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
        async with _background(self._stand_by_beats()):
            await lease.acquire()

    async def _stand_by_beats(self) -> None:
        while True:
            self.health.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _lead(self, kube: Kube) -> None:
        reconciler = Reconciler(kube, self.store, self.settings, self.metrics, self.queue.add_after)
        handle, waited = self._worker(reconciler), self.metrics.queue_seconds.observe
        workers = [self.queue.work(handle, waited) for _ in range(self.settings.reconcilers)]
        await _first_of(*workers, self._watch(kube, reconciler), self._beats())

    def _worker(self, reconciler: Reconciler) -> Callable[[Key], Awaitable[None]]:
        async def handle(key: Key) -> None:
            if key == BEAT:
                self.health.beat()
                return
            with self.metrics.reconcile_seconds.time():
                try:
                    await reconciler.reconcile(key)
                    self._faulty.discard(key)
                except Exception as error:
                    self.metrics.reconcile_errors.labels(type(error).__name__).inc()
                    if key not in self._faulty and not isinstance(error, _UNREACHABLE):
                        self._faulty.add(key)
                        await self._tell_fault(reconciler, key, error)
                    raise

        return handle

    async def _tell_fault(self, reconciler: Reconciler, key: Key, error: Exception) -> None:
        """A fault of ours with one object: say so, once, where its author looks."""
        datajob: Manifest | None = self.store.datajobs.get(key)
        if datajob:
            said = f"The controller failed on this object and tries again: {type(error).__name__}: {error}"
            await reconciler.tell(datajob, Event("Warning", "ReconcileFailed", said[:1000]), datetime.now(UTC))

    async def _beats(self) -> None:
        while True:
            self.queue.add(BEAT)
            await asyncio.sleep(BEAT_SECONDS)

    async def _watch(self, kube: Kube, reconciler: Reconciler) -> None:
        """Run kopf on what the API server serves, anew whenever that changes (KubeRay was installed, say)."""
        while True:
            served = await self._served(kube)
            reconciler.kuberay = "RayJob" in served
            self.metrics.kuberay.set(reconciler.kuberay)
            for key in self.store.datajobs:
                self.queue.add(key)
            if "DataJob" not in served:
                logger.warning("the API server does not serve DataJobs: apply manifests/crd")
                await asyncio.sleep(MISSING_SECONDS)
                continue
            changed, ready = asyncio.Event(), asyncio.Event()
            async with _background(self._wait_for_change(kube, reconciler, served, changed), self._ready(ready)):
                await kopf.operator(
                    registry=registry(self.store, self.queue, [kind for kind in OWNED if kind in served]),
                    settings=operator_settings(self.settings),
                    clusterwide=not self.settings.namespaces,
                    namespaces=self.settings.namespaces,
                    stop_flag=changed,
                    ready_flag=ready,
                    standalone=True,
                    identity=Identity(self.settings.pod_name),  # kopf would look for a user name, which a container may lack
                )
            self._leads_and_watches = False
            if not changed.is_set():  # kopf takes the process's signals for its own
                self._stop.set()
                return

    async def _ready(self, ready: asyncio.Event) -> None:
        await ready.wait()
        self._leads_and_watches = True

    async def _wait_for_change(self, kube: Kube, reconciler: Reconciler, served: set[str], changed: asyncio.Event) -> None:
        while True:
            missing = "RayJob" not in served or not reconciler.kuberay
            await asyncio.sleep(MISSING_SECONDS if missing else DISCOVERY_SECONDS)
            with suppress(*_UNREACHABLE):
                if await self._served(kube) != served:
                    changed.set()
                    return
                reconciler.kuberay = "RayJob" in served

    async def _served(self, kube: Kube) -> set[str]:
        served = {"ConfigMap", "Pod"}
        for kind in ("DataJob", "RayJob"):
            if await kube.serves(kind):
                served.add(kind)
        return served


@asynccontextmanager
async def _background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that live as long as a block."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        await _cancel(tasks)


async def _first_of(*awaitables: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
    """Wait until one ends, end the others, and raise what it raised."""
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
