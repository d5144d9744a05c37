"""Which namespaces the controller serves: the whole cluster, those with certain labels, or listed ones.

A listed namespace that does not exist, or that the controller has no permission for, affects only itself: it is left out and
checked again until it can be watched.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from datajob_controller.runtime.events import event_manifest
from datajob_controller.runtime.kube import ApiError, Kube
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.types import Event

logger = logging.getLogger(__name__)

VERBS = ("list", "watch")


class Namespaces:
    """The namespaces that this replica serves while it leads."""

    def __init__(self, kube: Kube, kinds: Iterable[str], settings: Settings, metrics: Metrics) -> None:
        self._kube = kube
        self._kinds = tuple(kinds)
        self._settings = settings
        self._metrics = metrics
        self._refused: dict[str, Event] = {}
        self._selected: frozenset[str] = frozenset()
        self._fault = ""

    def includes(self, namespace: str) -> bool:
        """Whether the settings include a namespace."""
        if self._settings.namespace_selector:
            return namespace in self._selected
        return not self._settings.namespaces or namespace in self._settings.namespaces

    async def can_be_watched(self, name: str) -> bool:
        """Whether the controller has the permissions to watch a listed namespace. If not, that is reported."""
        denied = await first_denied(self._kube, name, self._kinds)
        if denied:
            message = (
                f"The namespace {name} is not watched, because the controller has no permission to {denied} in it. The "
                "namespace or the RoleBinding of the controller is missing. Other namespaces are not affected."
            )
            await self.report(name, Event("Warning", "NamespaceNotWatched", message))
        return not denied

    async def report_claim(self, name: str, refusal: str) -> None:
        """Report that a namespace is served, or why not although it can be watched."""
        message = f"The namespace {name} is not served: {refusal}. Other namespaces are not affected."
        await self.report(name, Event("Warning", "NamespaceNotClaimed", message) if refusal else None)

    async def report(self, name: str, refused: Event | None) -> None:
        """Set the metric of a namespace, and publish an Event if its state has changed."""
        before = self._refused.pop(name, None)
        if refused:
            self._refused[name] = refused
            self._metrics.watched.labels(name).set(0)
            if refused.reason != (before and before.reason):
                logger.warning(refused.message)
                await self._publish(refused)
            return
        if self._settings.namespaces or self._settings.namespace_selector:
            self._metrics.watched.labels(name).set(1)
        elif before:
            self._metrics.watched.remove(name)
        if before:
            logger.info("the namespace %s is served", name)
            await self._publish(Event("Normal", "NamespaceWatched", f"The namespace {name} is watched."))

    async def select(self) -> frozenset[str]:
        """Look up the namespaces with the labels; returns those whose selection has changed since the last time."""
        selector = self._settings.namespace_selector
        try:
            found = await self._kube.namespaces(selector)
        except ApiError as error:
            if error.code not in (400, 403):
                raise
            await self._publish_once(f"The controller cannot list the namespaces with the labels {selector!r}: {error}")
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

    async def _publish_once(self, message: str) -> None:
        if message != self._fault:
            self._fault = message
            logger.error(message)
            await self._publish(Event("Warning", "NamespacesForbidden", message))

    async def _publish(self, event: Event) -> None:
        """Publish an Event about the pod of this replica, because the namespace itself cannot be written to."""
        settings = self._settings
        meta = {"name": settings.pod_name, "namespace": settings.pod_namespace, "uid": settings.pod_uid, "resourceVersion": ""}
        pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
        self._metrics.events.labels(event.type, event.reason).inc()
        try:
            await self._kube.create(event_manifest(pod, event, datetime.now(UTC), settings.pod_name))
        except ApiError as error:
            logger.warning("cannot create Event %s: %s", event.reason, error)


async def first_denied(kube: Kube, namespace: str, kinds: Iterable[str]) -> str:
    """The first thing that is needed to watch a namespace and is not permitted, such as `list pods`; empty if all is."""
    for kind in kinds:
        for verb in VERBS:
            if not await kube.may(verb, kind, namespace):
                return f"{verb} {kube.plural(kind)}"
    return ""
