"""Claims of namespaces: two controllers that are both configured to serve a namespace never work in it at the same time.

A Lease in each namespace names the controller that serves it, which is the same for all replicas of an installation. The first
controller keeps the namespace. Another one takes over when the Lease is deleted, or has not been renewed for some time.
"""

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from datajob_controller.runtime.kube import UNREACHABLE, ApiError, Kube
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.settings import Settings

logger = logging.getLogger(__name__)

NAME = "datajob-namespace"
"""The name of the Leases. Roles refer to it."""
SECONDS = 300
"""Time without a renewal after which another controller takes over."""
RENEW_SECONDS = 100
LOST_SECONDS = 200
"""Time without a renewal after which this controller stops to serve a namespace."""
ASK_SECONDS = 15
"""Interval at which a claim of another controller is checked."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass
class _Claim:
    renewed: float = float("-inf")
    asked: float = float("-inf")
    refusal: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Claims:
    """The claims of this controller."""

    def __init__(self, kube: Kube, settings: Settings) -> None:
        self._kube = kube
        self._holder = f"{settings.pod_namespace}/{settings.lease_name}"
        self._claims: defaultdict[str, _Claim] = defaultdict(_Claim)

    def held(self, namespace: str) -> bool:
        """Whether this controller serves a namespace. Can be called by any thread."""
        claim = self._claims.get(namespace)
        return claim is not None and time.monotonic() - claim.renewed < LOST_SECONDS

    def refusal(self, namespace: str) -> str:
        """Why this controller does not serve a namespace."""
        claim = self._claims.get(namespace)
        return claim.refusal if claim else ""

    async def hold(self, namespace: str) -> bool:
        """Claim a namespace, or renew the claim, if it is time to do so. Returns whether this controller serves it."""
        claim = self._claims[namespace]
        async with claim.lock:
            if time.monotonic() - claim.renewed > RENEW_SECONDS and time.monotonic() - claim.asked > ASK_SECONDS:
                claim.asked = time.monotonic()
                try:
                    claim.refusal = await self._write(namespace)
                except UNREACHABLE as error:
                    terminates = isinstance(error, ApiError) and error.namespace_terminates
                    forbidden = isinstance(error, ApiError) and error.code == 403 and not terminates
                    claim.refusal = f"the controller cannot write the Lease {NAME}: {error}" if forbidden else ""
                    level = logging.DEBUG if terminates else logging.WARNING
                    logger.log(level, "cannot write the Lease %s/%s: %r", namespace, NAME, error)
                else:
                    claim.renewed = float("-inf") if claim.refusal else claim.asked
        return self.held(namespace)

    async def _write(self, namespace: str) -> str:
        """Write the Lease unless another controller holds it; returns a description of that."""
        found, now = await self._kube.get("Lease", namespace, NAME), datetime.now(UTC)
        held = (found or {}).get("spec", {})
        holder, renewed = held.get("holderIdentity", ""), parse_time(held.get("renewTime"))
        expired = renewed is None or (now - renewed).total_seconds() > held.get("leaseDurationSeconds", SECONDS)
        if holder not in ("", self._holder) and not expired:
            return (
                f"the controller {holder} serves it. Configure only one of them to serve it. If the other one was uninstalled, "
                f"this one takes over after {SECONDS} s, or when you delete the Lease {NAME} in {namespace}"
            )
        stamp = now.strftime(_TIME)
        acquired = held.get("acquireTime", stamp) if holder == self._holder else stamp
        times = {"acquireTime": acquired, "renewTime": stamp}
        spec: Manifest = {"holderIdentity": self._holder, "leaseDurationSeconds": SECONDS, **times}
        if found:
            await self._kube.replace({**found, "kind": "Lease", "spec": {**held, **spec}})
        else:
            meta = {"name": NAME, "namespace": namespace}
            await self._kube.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec})
        return ""


async def cannot_be_claimed(kube: Kube, namespace: str) -> str:
    """What is needed to claim a namespace and is not permitted, such as `update leases/datajob-namespace`; empty if all is."""
    for verb, name in (("create", ""), ("get", NAME), ("update", NAME)):
        if not await kube.may(verb, "Lease", namespace, name):
            return " ".join(filter(None, (verb, f"{kube.plural('Lease')}/{name}".rstrip("/"))))
    return ""
