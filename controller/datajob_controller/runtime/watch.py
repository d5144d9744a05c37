"""kopf's part: watch one namespace, or the whole cluster, and pass on what changes. kopf writes to no object.

kopf runs in a thread with a separate event loop, because it assumes that all tasks of its loop belong to it. At its end, it
cancels each of them once and waits for them without a limit. A watch that is cancelled while it connects can miss that, and
continues, so that kopf never ends. In a thread, neither affects the controller, which does not wait for the end.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import kopf

from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.manifests import SELECTOR, Manifest
from datajob_controller.runtime.resources import Resource

logger = logging.getLogger(__name__)

END_SECONDS = 5
"""Time that kopf has to close its connections."""
ROUNDS = 10
"""Cancellations of a task of kopf that does not end, one per second."""

Receive = Callable[[Manifest, str | None], None]
"""Called with an object and what happened to it: ADDED, MODIFIED, DELETED, or None for an object that was listed."""


MAX_ERROR = 500


_threads: set[threading.Thread] = set()


class WatchEndedError(Exception):
    """kopf ended, for the reason of another exception or without any."""

    def __init__(self, reason: BaseException | None) -> None:
        detail = reason.args[0] if reason and reason.args else ""
        super().__init__(f"{type(reason).__name__}: {detail}"[:MAX_ERROR] if reason else "kopf ended without an error")


class Watch:
    """Watches the kinds that the API server serves in a namespace, or in the whole cluster if the namespace is empty."""

    def __init__(self, kinds: Collection[Kind], served: Collection[str], namespace: str, receive: Receive) -> None:
        self._kinds = kinds
        self._served = served
        self._namespace = namespace
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._over = False
        self._kopf_loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled. Raises an exception if kopf ends before."""
        thread = threading.Thread(target=self._run_kopf, name=f"watch {self._namespace or 'cluster'}", daemon=True)
        _threads.add(thread)
        thread.start()
        try:
            await self._ended
        finally:
            self._over = True
            with suppress(RuntimeError):  # kopf has ended
                self._kopf_loop.call_soon_threadsafe(self._stop.set)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the loop of the controller, unless this watch is over by then."""
        with suppress(RuntimeError):  # the controller has ended
            self._loop.call_soon_threadsafe(lambda: None if self._over else function(*arguments))

    def _run_kopf(self) -> None:
        loop = self._kopf_loop
        loop.set_exception_handler(lambda _, context: logger.debug("in the loop of kopf: %s", context))
        task = loop.create_task(self._watch())
        task.add_done_callback(lambda _: loop.stop())
        loop.run_forever()
        if error := task.exception():
            self._call(self._end, error)
        loop.close()
        _threads.discard(threading.current_thread())

    async def _watch(self) -> None:
        scope: dict[str, Any] = {"namespaces": [self._namespace]} if self._namespace else {"clusterwide": True}
        made, settings = registry(self._kinds, self._served, self._pass_on), operator_settings(self._kinds)
        tasks = await kopf.spawn_tasks(registry=made, settings=settings, standalone=True, **scope)
        stopped = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        errors = [task.exception() for task in done if not task.cancelled()]
        self._call(self._end, next(filter(None, errors), None))
        await _end_all(tasks)

    def _pass_on(self, manifest: Manifest, what: str | None) -> None:
        self._call(self._receive, manifest, what)

    def _end(self, reason: BaseException | None) -> None:
        if not self._ended.done():
            error = WatchEndedError(reason)
            error.__cause__ = reason
            self._ended.set_exception(error)


async def wait_for_threads(seconds: float) -> None:
    """Wait for the threads of watches that are over. A thread that writes to the log while the process ends can crash it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while _threads:
                await asyncio.sleep(0.05)


async def _end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End kopf's own tasks, which close its connections, and then all tasks of the loop, however often that takes."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=END_SECONDS)
    for _ in range(ROUNDS):
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=1)
    logger.error("tasks of kopf did not end: %r", asyncio.all_tasks() - {asyncio.current_task()})


def registry(kinds: Collection[Kind], served: Collection[str], receive: Receive) -> kopf.OperatorRegistry:
    """One handler for each watched resource."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    async def changed(event: Any, **_: Any) -> None:
        receive(dict(event["object"]), event["type"])

    for resource in {resource for kind in kinds for resource in kind.resources}:
        if resource.kind in served:
            name = resource.kind.lower()
            kopf.on.event(resource.group, resource.version, resource.plural, id=name, registry=made)(changed)
    return made


def operator_settings(kinds: Collection[Kind]) -> kopf.OperatorSettings:
    """kopf's settings: no peering, no scanning, no Events, and watches that end before they go silent."""
    # kopf names itself after this variable; otherwise it looks up the name of the user, which a container may not have.
    os.environ.setdefault("POD_ID", "datajob-controller")
    made = kopf.OperatorSettings()
    made.peering.standalone = True
    made.scanning.disabled = True
    made.posting.enabled = False
    made.process.ultimate_exiting_timeout = None  # a kopf ends without the process
    made.watching.server_timeout = 300
    made.watching.client_timeout = 330
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 30
    made.queueing.idle_timeout = 0.5  # kopf has a task for each object for this time, of which a list makes thousands
    made.networking.error_backoffs = (1, 1, 2, 3)  # an error of a longer duration ends this kopf; others follow
    primary = {kind.name for kind in kinds}
    for resource in _owned(kinds).values():
        if resource.kind not in primary:
            made.watching.label_selectors[(resource.group, resource.version, resource.plural)] = SELECTOR
    return made


def _owned(kinds: Collection[Kind]) -> dict[str, Resource]:
    return {owned.resource.kind: owned.resource for kind in kinds for owned in kind.owned}
