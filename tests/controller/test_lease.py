"""Leader election with an API server that is slow, silent or used by another replica."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from datajob_controller.runtime.kube import ApiError
from datajob_controller.runtime.lease import Lease
from datajob_controller.runtime.settings import Settings
from tests.support.virtual_time import run

SETTINGS = Settings(lease_seconds=3, pod_name="one")


class ApiServer:
    """An API server with one Lease, which can stop responding."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.silent = False

    async def get(self, *_: str) -> dict[str, Any] | None:
        await self._respond()
        return self.lease

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._respond()
        return self._store(manifest)

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._respond()
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(409, "conflict", {})
        return self._store(manifest)

    async def _respond(self) -> None:
        if self.silent:
            await asyncio.sleep(3600)

    def _store(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


def leads(act: Callable[[ApiServer], None]) -> float:
    """Seconds for which a replica believes to lead after `act`."""

    async def measure() -> float:
        server, loop = ApiServer(), asyncio.get_running_loop()
        lease = Lease(server, SETTINGS)  # type: ignore[arg-type]
        await lease.acquire()
        act(server)
        began = loop.time()
        await lease.hold()
        return loop.time() - began

    return run(asyncio.wait_for(measure(), 30))


def test_a_leader_gives_up_before_its_lease_expires_if_the_api_server_is_silent() -> None:
    assert leads(lambda server: setattr(server, "silent", True)) < SETTINGS.lease_seconds


def test_a_leader_gives_up_at_once_if_another_replica_holds_the_lease() -> None:
    def take(server: ApiServer) -> None:
        assert server.lease
        server._store({**server.lease, "spec": {**server.lease["spec"], "holderIdentity": "other"}})

    assert leads(take) < SETTINGS.lease_seconds / 2


@pytest.mark.parametrize("holder", ["", "one"])
def test_a_free_lease_is_acquired_without_waiting(holder: str) -> None:
    async def acquire() -> float:
        server, loop = ApiServer(), asyncio.get_running_loop()
        await server.create({"metadata": {}, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60}})
        began = loop.time()
        await Lease(server, SETTINGS).acquire()  # type: ignore[arg-type]
        return loop.time() - began

    assert run(acquire()) == 0
