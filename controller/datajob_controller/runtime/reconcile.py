"""Fetch, decide, carry out: the one place where decisions become requests."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from datajob.api import API_GROUP, API_VERSION
from datajob.api.contract import CONTROLLER, LABEL_ATTEMPT
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.names import job_config, report_config
from datajob_controller.datajob.policy.pods import head_failure
from datajob_controller.datajob.run import run_of
from datajob_controller.datajob.types import Decision, Event, Observed, Obstacle, Reference
from datajob_controller.runtime.kube import ApiError, Kube
from datajob_controller.runtime.manifests import Manifest, belongs_to, moment, rfc3339
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store

logger = logging.getLogger(__name__)

_ORDER = ({"ConfigMap", "ServiceAccount", "Role", "NetworkPolicy"}, {"RoleBinding"}, {"RayJob"})
_TRIES = 8
"""A RoleBinding is refused until every part of the API server knows its Role, which takes some milliseconds."""


class StatusConflictError(Exception):
    """The DataJob changed while it was worked on; the newer one is known now."""


class _RefusedError(Exception):
    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


class _KubeRayMissingError(Exception):
    """RayJobs are not served."""


class Reconciler:
    """Brings one DataJob at a time to where its spec wants it."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        settings: Settings,
        metrics: Metrics,
        requeue: Callable[[Key, float], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._requeue = requeue
        self._clock = clock
        self.kuberay = True
        """Whether the API server serves RayJobs, as far as is known."""

    async def reconcile(self, key: Key) -> None:
        """Work on one DataJob. Raises what the API server or a fault raises; then it is to be tried again."""
        datajob = self._store.datajobs.get(key)
        if datajob is None:
            return
        try:
            await self._reconcile(key, datajob)
        except ApiError as error:
            if _namespace_ends(error):
                return
            raise

    async def _reconcile(self, key: Key, datajob: Manifest) -> None:
        observed = await self._observe(datajob)
        now = self._clock()
        decision = decide(datajob, observed, now, self._settings)
        try:
            await self._create(datajob, decision.create)
        except _RefusedError as refused:
            decision = decide(datajob, replace(observed, obstacle=refused.obstacle), now, self._settings)
        except _KubeRayMissingError:
            self.kuberay = False
            decision = decide(datajob, replace(observed, kuberay=False), now, self._settings)
        await asyncio.gather(*(self._delete(datajob, one, observed) for one in decision.delete))
        await self._write(datajob, decision, now)
        if decision.requeue_at:
            self._requeue(key, (decision.requeue_at - now).total_seconds())

    async def _observe(self, datajob: Manifest) -> Observed:
        uid, status = datajob["metadata"]["uid"], datajob.get("status") or {}
        last = status.get("rayJobName")
        if last and not status.get("finished"):
            await self._make_sure(datajob, last)
        return Observed(
            ray_jobs=self._store.of(uid, "RayJob"),
            config_maps=self._store.of(uid, "ConfigMap"),
            pods=list(self._store.of(uid, "Pod").values()),
            kuberay=self.kuberay,
        )

    async def _make_sure(self, datajob: Manifest, ray_job: str) -> None:
        """Ask the API server where memory alone would make us believe in a loss: after a start, or when a watch is late."""
        uid, run = datajob["metadata"]["uid"], run_of(ray_job)
        known = self._store.of(uid, "RayJob"), self._store.of(uid, "ConfigMap")
        doubtful = [("ConfigMap", name) for name in (job_config(run), report_config(run)) if name not in known[1]]
        if self.kuberay and (ray_job not in known[0] or head_failure(self._store.of(uid, "Pod").values())):
            doubtful.append(("RayJob", ray_job))
        for kind, name in doubtful:
            found = await self._kube.get(kind, datajob["metadata"]["namespace"], name)
            if found and belongs_to(found, uid):
                self._store.put(found)

    async def _create(self, datajob: Manifest, manifests: Sequence[Manifest]) -> None:
        """Create what is missing, in the order in which one needs the other."""
        for kinds in _ORDER:
            wanted = [manifest for manifest in manifests if manifest["kind"] in kinds]
            await asyncio.gather(*(self._create_one(datajob, manifest) for manifest in wanted))
        if any(one["kind"] == "RayJob" and one["metadata"]["labels"][LABEL_ATTEMPT] == "1" for one in manifests):
            self._observe_start(datajob)

    async def _create_one(self, datajob: Manifest, manifest: Manifest) -> None:
        kind, meta = manifest["kind"], manifest["metadata"]
        try:
            created = await self._kube.create(manifest, tries=_TRIES if kind == "RoleBinding" else 1)
        except ApiError as error:
            if error.code == 409:
                created = await self._existing(datajob, manifest)
            elif error.code == 404 and kind == "RayJob" and not await self._kube.serves("RayJob"):
                raise _KubeRayMissingError from error
            elif error.code == 422 or (error.code == 403 and not _namespace_ends(error)):
                reason = "QuotaExceeded" if "exceeded quota" in str(error) else f"{kind}Refused"
                raise _RefusedError(Obstacle(reason, f"The API server refused {kind} {meta['name']}: {error}")) from error
            else:
                raise
        if kind in ("RayJob", "ConfigMap"):
            self._store.put(created)

    async def _existing(self, datajob: Manifest, manifest: Manifest) -> Manifest:
        """What has the name already: ours from an earlier try, or something foreign that is never touched."""
        kind, meta = manifest["kind"], manifest["metadata"]
        found = await self._kube.get(kind, meta["namespace"], meta["name"])
        if found is None or not belongs_to(found, datajob["metadata"]["uid"]):
            said = f"{kind} {meta['name']} exists and does not belong to this DataJob: delete or rename it."
            raise _RefusedError(Obstacle("NameTaken", said))
        return found

    async def _delete(self, datajob: Manifest, one: Reference, observed: Observed) -> None:
        meta = datajob["metadata"]
        if one.kind == "DataJob":
            uid = meta["uid"]
        else:
            known = observed.ray_jobs if one.kind == "RayJob" else observed.config_maps
            uid = known.get(one.name, {}).get("metadata", {}).get("uid")
        if one.kind != "RayJob" or uid:
            await self._kube.delete(one.kind, meta["namespace"], one.name, uid)

    async def _write(self, datajob: Manifest, decision: Decision, now: datetime) -> None:
        meta = datajob["metadata"]
        if decision.status is not None:
            named = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
            body = {
                "apiVersion": f"{API_GROUP}/{API_VERSION}",
                "kind": "DataJob",
                "metadata": named,
                "status": decision.status,
            }
            try:
                self._store.put_datajob(await self._kube.apply_status(body))
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
                await self._look_again(datajob)
                return
            if decision.status.get("finished") and not (datajob.get("status") or {}).get("finished"):
                self._observe_end(decision.status)
        for event in decision.events:
            await self.tell(datajob, event, now)

    async def _look_again(self, datajob: Manifest) -> None:
        """Somebody was faster: take the newer DataJob and decide anew."""
        meta = datajob["metadata"]
        newer = await self._kube.get("DataJob", meta["namespace"], meta["name"])
        if newer is None:
            self._store.drop_datajob(datajob)
            return
        self._store.put_datajob(newer)
        if newer["metadata"]["resourceVersion"] == meta["resourceVersion"]:
            raise StatusConflictError(f"the status of {meta['namespace']}/{meta['name']} conflicts with nothing newer")
        self._requeue((meta["namespace"], meta["name"]), 0)

    async def tell(self, datajob: Manifest, event: Event, now: datetime) -> None:
        """Write an Event; one that cannot be written is only logged."""
        meta = datajob["metadata"]
        self._metrics.events.labels(event.type, event.reason).inc()
        named = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name'][:200]}.", "namespace": meta["namespace"]},
            "involvedObject": {"apiVersion": f"{API_GROUP}/{API_VERSION}", "kind": "DataJob", **named},
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": CONTROLLER},
            "reportingComponent": CONTROLLER,
            "reportingInstance": self._settings.pod_name,
            "firstTimestamp": rfc3339(now),
            "lastTimestamp": rfc3339(now),
            "count": 1,
        }
        try:
            await self._kube.create(body)
        except ApiError as error:
            logger.warning("no Event %s for %s/%s: %s", event.reason, meta["namespace"], meta["name"], error)

    def _observe_start(self, datajob: Manifest) -> None:
        created = moment(datajob["metadata"].get("creationTimestamp"))
        if created and not (datajob.get("status") or {}).get("started"):
            self._metrics.start_seconds.observe((self._clock() - created).total_seconds())

    def _observe_end(self, status: Manifest) -> None:
        began, ended = moment(status.get("started")), moment(status["finished"])
        if began and ended:
            self._metrics.run_seconds.labels(status["phase"].lower()).observe((ended - began).total_seconds())


def _namespace_ends(error: ApiError) -> bool:
    """Whether the namespace is going: then everything in it goes by itself."""
    causes = error.details.get("details", {}).get("causes", ())
    gone = error.code == 404 and error.details.get("details", {}).get("kind") == "namespaces"
    return gone or any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
