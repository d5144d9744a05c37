"""Leader election by a Lease: one replica works, and another takes over when it stops renewing the Lease."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from datajob_controller.runtime.kube import UNREACHABLE, ApiError, Kube
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.settings import Settings

logger = logging.getLogger(__name__)

RELEASE_SECONDS = 5


class Lease:
    """The Lease as seen by one replica."""

    def __init__(self, kube: Kube, settings: Settings, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._kube = kube
        self._settings = settings
        self._sleep = sleep
        self._seen: tuple[str, float] = ("", 0.0)
        self._mine: Manifest | None = None
        self.reachable = False
        """Whether the last attempt reached the API server."""

    async def acquire(self) -> None:
        """Wait until this replica is the leader."""
        while not await self._try_to_acquire():
            await self._sleep(self._settings.lease_seconds / 4)
        logger.info("%s is the leader", self._settings.pod_name)

    async def hold(self) -> None:
        """Renew the Lease; return when another replica holds it or it could not be renewed in time.

        Returns before the Lease expires, even if the API server does not respond: two replicas never lead at the same time.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        while loop.time() < give_up:
            await self._sleep(self._settings.lease_seconds / 4)
            if await self._try_to_acquire(self._mine, give_up):
                give_up = loop.time() + self._patience
            elif self.reachable:
                break
        logger.error("%s is no longer the leader", self._settings.pod_name)

    async def release(self) -> None:
        """Release the Lease so that another replica can take over immediately. The process ends soon in any case."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                found = await self._kube.get("Lease", self._settings.pod_namespace, self._settings.lease_name)
                if found and found["spec"].get("holderIdentity") == self._settings.pod_name:
                    await self._kube.replace({**found, "kind": "Lease", "spec": {**found["spec"], "holderIdentity": ""}})
        except UNREACHABLE as error:
            logger.warning("cannot release the Lease; it expires by itself: %r", error)

    @property
    def _patience(self) -> float:
        """Seconds without a renewal after which the leader gives up."""
        return self._settings.lease_seconds * 2 / 3

    async def _try_to_acquire(self, known: Manifest | None = None, until: float = math.inf) -> bool:
        """Acquire or renew the Lease, in a quarter of its duration and not later than `until`.

        `known` is the Lease as last written by this replica, which saves a request.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(until, loop.time() + self._settings.lease_seconds / 4)):
                acquired = await self._write(known)
        except ApiError as error:
            self._mine = None
            if error.code == 409 and known:
                return await self._try_to_acquire(None, until)
            self.reachable = error.code == 409
            logger.log(logging.INFO if error.code == 409 else logging.WARNING, "cannot acquire the Lease: %s", error)
            return False
        except UNREACHABLE as error:
            self.reachable = False
            logger.warning("cannot reach the API server for the Lease: %r", error)
            return False
        self.reachable = True
        return acquired

    async def _write(self, known: Manifest | None) -> bool:
        settings = self._settings
        found = known or await self._kube.get("Lease", settings.pod_namespace, settings.lease_name)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": settings.pod_name,
            "leaseDurationSeconds": settings.lease_seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        if found is None:
            meta = {"name": settings.lease_name, "namespace": settings.pod_namespace}
            new = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            self._mine = await self._kube.create(new)
            return True
        held = found["spec"]
        if held.get("holderIdentity") == settings.pod_name:
            spec |= {"acquireTime": held.get("acquireTime"), "leaseTransitions": held.get("leaseTransitions", 0)}
        elif self._is_alive(found):
            return False
        else:
            spec["leaseTransitions"] = held.get("leaseTransitions", 0) + 1
        self._mine = await self._kube.replace({**found, "kind": "Lease", "spec": spec})
        return True

    def _is_alive(self, found: Manifest) -> bool:
        """Whether the holder renewed the Lease recently by the clock of this replica, since clocks of nodes differ."""
        held, loop = found["spec"], asyncio.get_running_loop()
        if not held.get("holderIdentity"):
            return False
        version = str(found["metadata"]["resourceVersion"])
        if version != self._seen[0]:
            self._seen = (version, loop.time())
        return bool(loop.time() - self._seen[1] < held.get("leaseDurationSeconds", self._settings.lease_seconds))
