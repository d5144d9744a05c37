"""Which namespaces the controller serves: the whole cluster, those with certain labels, or listed ones.

A listed namespace that does not exist, or that the controller has no permission for, affects only itself: it is left out and
asked for again until it can be watched.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from datajob_controller.runtime.events import event_manifest
from datajob_controller.runtime.kube import UNREACHABLE, ApiError, Kube
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.types import Event

logger = logging.getLogger(__name__)

SECONDS = 15
"""Interval at which labels of namespaces, and namespaces that cannot be watched, are asked for again."""
VERBS = ("list", "watch")
CONCURRENT = 10
"""Namespaces that are checked at a time."""


class Namespaces:
    """The namespaces that this replica serves while it leads."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._refused: dict[str, str] = {}
        self._selected: frozenset[str] = frozenset()
        self._fault = ""

    @property
    def to_watch(self) -> tuple[str, ...]:
        """The listed namespaces that can be watched; empty if the whole cluster is watched."""
        return tuple(name for name in self._settings.namespaces if name not in self._refused)

    @property
    def none_can_be_watched(self) -> bool:
        """Whether namespaces are listed, but none of them can be watched."""
        return bool(self._settings.namespaces) and not self.to_watch

    def includes(self, namespace: str) -> bool:
        """Whether objects in a namespace are served."""
        if self._settings.namespace_selector:
            return namespace in self._selected
        listed = self._settings.namespaces
        return not listed or (namespace in listed and namespace not in self._refused)

    async def refresh(self, kube: Kube, kinds: Iterable[str], *, only_refused: bool = False) -> frozenset[str]:
        """Ask the API server again; returns the namespaces that are included or left out since the last time."""
        if self._settings.namespace_selector:
            return await self._refresh_selected(kube)
        names = [name for name in self._settings.namespaces if name in self._refused or not only_refused]
        limit = asyncio.Semaphore(CONCURRENT)

        async def check(name: str) -> bool:
            async with limit:
                return await self._check(kube, name, kinds)

        found = await asyncio.gather(*map(check, names))
        for name in names:
            self._metrics.watched.labels(name).set(name not in self._refused)
        return frozenset(name for name, changed in zip(names, found, strict=True) if changed)

    async def follow(self, kube: Kube, kinds: Iterable[str], changed: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Refresh periodically; `changed` is called with the namespaces that are included or left out."""
        if not self._settings.namespaces and not self._settings.namespace_selector:
            return
        while True:
            await asyncio.sleep(SECONDS)
            try:
                found = await self.refresh(kube, kinds, only_refused=True)
            except UNREACHABLE as error:
                logger.warning("cannot look up namespaces: %r", error)
                continue
            if found:
                await changed(found)

    async def _refresh_selected(self, kube: Kube) -> frozenset[str]:
        selector = self._settings.namespace_selector
        try:
            found = await kube.namespaces(selector)
        except ApiError as error:
            if error.code not in (400, 403):
                raise
            await self._publish_once(kube, f"The controller cannot list the namespaces with the labels {selector!r}: {error}")
            return frozenset()
        self._fault = ""
        changed = self._selected ^ found
        for name in sorted(changed):
            logger.info("the namespace %s is %s", name, "selected" if name in found else "no longer selected")
            if name in found:
                self._metrics.watched.labels(name).set(1)
            else:
                self._metrics.watched.remove(name)
        self._selected = found
        return changed

    async def _publish_once(self, kube: Kube, message: str) -> None:
        if message != self._fault:
            self._fault = message
            logger.error(message)
            await self._publish(kube, Event("Warning", "NamespacesForbidden", message))

    async def _check(self, kube: Kube, name: str, kinds: Iterable[str]) -> bool:
        """Check a listed namespace; returns whether it is now watched and was not before, or the reverse."""
        denied = await first_denied(kube, name, kinds)
        before = self._refused.pop(name, "")
        if denied:
            self._refused[name] = denied
        if denied and not before:
            message = (
                f"The namespace {name} is not watched, because the controller has no permission to {denied} in it. The "
                "namespace or the RoleBinding of the controller is missing. Other namespaces are not affected."
            )
            logger.warning(message)
            await self._publish(kube, Event("Warning", "NamespaceNotWatched", message))
        elif before and not denied:
            logger.info("the namespace %s is watched again", name)
            await self._publish(kube, Event("Normal", "NamespaceWatched", f"The namespace {name} is watched."))
        return bool(denied) != bool(before)

    async def _publish(self, kube: Kube, event: Event) -> None:
        """Publish an Event about the pod of this replica, because the namespace itself cannot be written to."""
        settings = self._settings
        meta = {"name": settings.pod_name, "namespace": settings.pod_namespace, "uid": settings.pod_uid, "resourceVersion": ""}
        pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
        self._metrics.events.labels(event.type, event.reason).inc()
        try:
            await kube.create(event_manifest(pod, event, datetime.now(UTC), settings.pod_name))
        except ApiError as error:
            logger.warning("cannot create Event %s: %s", event.reason, error)


async def first_denied(kube: Kube, namespace: str, kinds: Iterable[str]) -> str:
    """The first thing that is needed to watch a namespace and is not permitted, such as `list pods`; empty if all is."""
    for kind in kinds:
        for verb in VERBS:
            if not await kube.may(verb, kind, namespace):
                return f"{verb} {kube.plural(kind)}"
    return ""
