"""Observe, decide, carry out: the one place where decisions become requests."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from datajob_controller.runtime.events import event_manifest
from datajob_controller.runtime.kind import Kind, KindMetrics
from datajob_controller.runtime.kube import ApiError, Kube
from datajob_controller.runtime.manifests import Manifest, belongs_to
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.types import Decision, Event, Observed, Obstacle, Patch, Reference

logger = logging.getLogger(__name__)

DECIDING_THREADS = 2
"""Threads for decisions that take long. More of them would not be faster, since they share one interpreter lock."""
_ROLE_TRIES = 8
"""A RoleBinding is refused until every part of the API server has seen its Role, which takes some milliseconds."""


class StatusConflictError(Exception):
    """The API server reports a conflict although it has no newer version of the object."""


class _RefusedError(Exception):
    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


class _UnservedError(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Reconciler:
    """Brings one object at a time to the state that its spec describes."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        kinds: Mapping[str, tuple[Kind, KindMetrics]],
        settings: Settings,
        metrics: Metrics,
        requeue: Callable[[Key, float], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._store = store
        self._kinds = kinds
        self._settings = settings
        self._metrics = metrics
        self._requeue = requeue
        self._clock = clock
        self._threads = ThreadPoolExecutor(DECIDING_THREADS, "decide")
        self.unserved: frozenset[str] = frozenset()
        """Kinds that the API server does not serve, as far as is known."""

    async def reconcile(self, key: Key) -> None:
        """Reconcile one object. Raises the errors of the API server and faults of the controller; the caller retries."""
        owner = self._store.get(key)
        if owner is None:
            return
        try:
            await self._reconcile(key, owner)
        except ApiError as error:
            if not error.namespace_terminates:
                raise

    async def _reconcile(self, key: Key, owner: Manifest) -> None:
        kind, metrics = self._kinds[key.kind]
        observed = await self._observe(kind, owner)
        now = self._clock()
        if about := kind.inquire(owner, observed, now):
            observed = replace(observed, warnings=await self._warnings(owner, observed, about))
        decision = await self._decide(kind, owner, observed, now)
        try:
            await self._apply(owner, decision, observed)
        except _RefusedError as refused:
            decision = await self._decide(kind, owner, replace(observed, obstacle=refused.obstacle), now)
        except _UnservedError as missing:
            self.unserved |= {missing.kind}
            decision = await self._decide(kind, owner, replace(observed, unserved=self.unserved), now)
        else:
            metrics.created(owner, decision.create, self._clock())
        await _all(self._delete(kind, owner, one, observed) for one in decision.delete)
        await self._write(owner, decision, now, metrics)
        if decision.requeue_at:
            self._requeue(key, (decision.requeue_at - now).total_seconds())

    async def _decide(self, kind: Kind, owner: Manifest, observed: Observed, now: datetime) -> Decision:
        """Decide without blocking the event loop: others must not wait for a large object, and the Lease must be renewed."""
        if kind.is_quick(owner):
            return kind.decide(owner, observed, now)
        return await asyncio.get_running_loop().run_in_executor(self._threads, kind.decide, owner, observed, now)

    async def _observe(self, kind: Kind, owner: Manifest) -> Observed:
        """The objects in memory. Objects that may be missing only because a watch is late are fetched first."""
        meta = owner["metadata"]
        observed = Observed(self._store.owned(meta["uid"]), self.unserved)
        to_verify = kind.verify(owner, observed)
        for one in to_verify:
            found = await self._kube.get(one.kind, meta["namespace"], one.name)
            if found:
                self._store.put_owned(found)
            elif known := observed.of(one.kind).get(one.name):
                self._store.drop_owned(known)
        return replace(observed, owned=self._store.owned(meta["uid"])) if to_verify else observed

    async def _warnings(self, owner: Manifest, observed: Observed, about: Sequence[Reference]) -> dict[str, str]:
        """The last warning Event about each object. Without the permission to read Events, there is none."""
        found = {}
        for one in about:
            uid = observed.of(one.kind)[one.name]["metadata"].get("uid", "")
            try:
                found[one.name] = await self._kube.last_warning(owner["metadata"]["namespace"], uid)
            except ApiError as error:
                logger.warning("cannot read the Events of %s %s: %s", one.kind, one.name, error)
        return found

    async def _apply(self, owner: Manifest, decision: Decision, observed: Observed) -> None:
        """Create and change objects. A refused object does not prevent changes of others."""
        refused: _RefusedError | None = None
        try:
            await self._create(owner, decision.create)
        except _RefusedError as error:
            refused = error
        await _all(self._patch(owner, one, observed) for one in decision.patch)
        if refused:
            raise refused

    async def _create(self, owner: Manifest, manifests: Sequence[Manifest]) -> None:
        """Create objects in the order of their dependencies."""
        for rank in sorted({_rank(manifest) for manifest in manifests}):
            await _all(self._create_one(owner, one) for one in manifests if _rank(one) == rank)

    async def _create_one(self, owner: Manifest, manifest: Manifest) -> None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        try:
            created = await self._kube.create(manifest, tries=_ROLE_TRIES if kind == "RoleBinding" else 1)
        except ApiError as error:
            if error.code == 409:
                created = await self._existing(owner, manifest)
            elif error.code == 404 and self._is_watched(owner, kind) and not await self._kube.serves(kind):
                raise _UnservedError(kind) from error
            elif _is_refusal(error):
                reason = "QuotaExceeded" if "exceeded quota" in str(error) else f"{kind}Refused"
                raise _RefusedError(Obstacle(reason, f"The API server refused to create {kind} {name}: {error}")) from error
            else:
                raise
        if self._is_watched(owner, kind):
            self._store.put_owned(created)

    async def _patch(self, owner: Manifest, patch: Patch, observed: Observed) -> None:
        """Change an observed object. If it no longer exists, the decision is repeated when that is observed."""
        found = observed.of(patch.kind)[patch.name]
        uid = found["metadata"].get("uid", "")
        try:
            changed = await self._kube.patch(patch.kind, owner["metadata"]["namespace"], patch.name, uid, patch.operations)
        except ApiError as error:
            if error.code == 404:
                self._store.drop_owned(found)
            elif _is_refusal(error):
                message = f"The API server refused to change {patch.kind} {patch.name}: {error}"
                raise _RefusedError(Obstacle(f"{patch.kind}Refused", message)) from error
            else:
                raise
        else:
            self._store.put_owned(changed)

    def _is_watched(self, owner: Manifest, kind: str) -> bool:
        """Whether the store keeps objects of this kind for this owner."""
        return any(owned.resource.kind == kind for owned in self._kinds[owner["kind"]][0].owned)

    async def _existing(self, owner: Manifest, manifest: Manifest) -> Manifest:
        """The object that already has the name: the owner's from an earlier try. Objects of others are never touched."""
        kind, meta = manifest["kind"], manifest["metadata"]
        found = await self._kube.get(kind, meta["namespace"], meta["name"])
        if found is None or not belongs_to(found, owner["metadata"]["uid"]):
            message = (
                f"{kind} {meta['name']} already exists and does not belong to this {owner['kind']}. Delete it to continue."
            )
            raise _RefusedError(Obstacle("NameTaken", message))
        return found

    async def _delete(self, kind: Kind, owner: Manifest, one: Reference, observed: Observed) -> None:
        """Delete the object itself, an object that was observed, or one of a kind that is not watched and belongs to it."""
        meta = owner["metadata"]
        found: Manifest | None = owner
        if one != Reference(kind.name, meta["name"]):
            if self._is_watched(owner, one.kind):
                found = observed.of(one.kind).get(one.name)
            else:
                found = await self._kube.get(one.kind, meta["namespace"], one.name)
                found = found if found and belongs_to(found, meta["uid"]) else None
        if found and (uid := found["metadata"].get("uid")):
            existed = await self._kube.delete(one.kind, meta["namespace"], one.name, uid)
            if not existed and self._is_watched(owner, one.kind):
                self._store.drop_owned(found)
            elif not existed and found is owner:
                self._store.drop(owner)

    async def _write(self, owner: Manifest, decision: Decision, now: datetime, metrics: KindMetrics) -> None:
        meta = owner["metadata"]
        if decision.status is not None:
            identity = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
            body = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": identity, "status": decision.status}
            try:
                self._store.put(await self._kube.apply_status(body))
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
                await self._refresh(owner)
                return
            metrics.status_written(owner, decision.status)
        for event in decision.events:
            await self.publish(owner, event, now)

    async def _refresh(self, owner: Manifest) -> None:
        """The object changed in the meantime: fetch the newer version and decide again."""
        meta = owner["metadata"]
        newer = await self._kube.get(owner["kind"], meta["namespace"], meta["name"])
        if newer is None:
            self._store.drop(owner)
            return
        key = self._store.put(newer)
        if newer["metadata"]["resourceVersion"] == meta["resourceVersion"]:
            raise StatusConflictError(f"the status of {meta['namespace']}/{meta['name']} conflicts with no newer version")
        self._requeue(key, 0)

    async def publish(self, owner: Manifest, event: Event, now: datetime) -> None:
        """Publish an Event; a failure to do so is only logged."""
        self._metrics.events.labels(event.type, event.reason).inc()
        try:
            await self._kube.create(event_manifest(owner, event, now, self._settings.pod_name))
        except ApiError as error:
            meta = owner["metadata"]
            logger.warning("cannot create Event %s for %s/%s: %s", event.reason, meta["namespace"], meta["name"], error)


async def _all(requests: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for concurrent requests. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for request in requests:
                group.create_task(request)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed


def _is_refusal(error: ApiError) -> bool:
    """Whether the API server refuses an object because of its content, a quota or a policy."""
    return error.code in (400, 422) or (error.code == 403 and not error.namespace_terminates)


def _rank(manifest: Manifest) -> int:
    """Supporting objects come first, then the bindings that refer to them, then what runs with them, then routes to it."""
    kind = manifest["kind"]
    if kind in ("RoleBinding", "HTTPRoute"):
        return 1 if kind == "RoleBinding" else 3
    return 0 if kind in ("ConfigMap", "Secret", "ServiceAccount", "Role", "NetworkPolicy", "Service") else 2
