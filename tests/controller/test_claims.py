"""Claims of namespaces: who serves a namespace, and when another controller takes over."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datajob_controller.runtime import claims
from datajob_controller.runtime.claims import NAME, SECONDS, Claims
from datajob_controller.runtime.kube import ApiError
from datajob_controller.runtime.settings import Settings

NAMESPACE = "team-a"


class ApiServer:
    """Stores Leases, or refuses to."""

    def __init__(self) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.error = 0
        self.requests = 0

    def spec(self) -> dict[str, Any]:
        return dict(self.leases[NAMESPACE]["spec"])

    async def get(self, _: str, namespace: str, name: str) -> dict[str, Any] | None:
        self.requests += 1
        assert name == NAME
        if self.error:
            raise ApiError(self.error, "planted", {})
        return self.leases.get(namespace)

    async def create(self, manifest: dict[str, Any]) -> None:
        if manifest["metadata"]["namespace"] in self.leases:
            raise ApiError(409, "exists", {})
        self.leases[manifest["metadata"]["namespace"]] = manifest

    async def replace(self, manifest: dict[str, Any]) -> None:
        self.leases[manifest["metadata"]["namespace"]] = manifest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The monotonic time of the controllers."""
    now = [1000.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: now[0])
    yield now


def controller(server: ApiServer, name: str) -> Claims:
    return Claims(server, Settings(lease_name=name))  # type: ignore[arg-type]


def hold(one: Claims) -> bool:
    return asyncio.run(one.hold(NAMESPACE))


def test_the_first_controller_keeps_a_namespace(clock: list[float]) -> None:
    server = ApiServer()
    first, second = controller(server, "first"), controller(server, "second")
    assert hold(first) and not hold(second)
    assert "datajob-system/first serves it" in second.refusal(NAMESPACE)
    clock[0] += 16
    assert not hold(second)
    assert first.held(NAMESPACE) and not second.held(NAMESPACE)


def test_a_claim_is_renewed_when_it_is_time(clock: list[float]) -> None:
    server = ApiServer()
    first = controller(server, "first")
    assert hold(first) and hold(first)
    assert server.requests == 1
    acquired, renewed = server.spec()["acquireTime"], server.spec()["renewTime"]
    clock[0] += 101
    assert hold(first)
    assert server.requests == 2
    assert server.spec()["acquireTime"] == acquired and server.spec()["renewTime"] > renewed


def test_another_controller_takes_over_when_a_claim_is_not_renewed(clock: list[float]) -> None:
    server = ApiServer()
    first, second = controller(server, "first"), controller(server, "second")
    assert hold(first)
    renewed = datetime.now(UTC) - timedelta(seconds=SECONDS + 1)
    server.leases[NAMESPACE]["spec"]["renewTime"] = renewed.isoformat()
    assert hold(second)
    clock[0] += 101
    clock[0] += 100
    assert not first.held(NAMESPACE)
    assert not hold(first)


def test_replicas_of_a_controller_share_its_claim(clock: list[float]) -> None:
    server = ApiServer()
    assert hold(controller(server, "first"))
    assert hold(controller(server, "first"))


@pytest.mark.parametrize(("code", "refused"), [(403, True), (500, False)])
def test_an_error_of_the_api_server_ends_a_claim_before_others_take_over(clock: list[float], code: int, refused: bool) -> None:
    server = ApiServer()
    first = controller(server, "first")
    assert hold(first)
    server.error = code
    clock[0] += 150
    assert hold(first)
    assert ("cannot write the Lease" in first.refusal(NAMESPACE)) == refused
    clock[0] += 60
    assert not hold(first)
    server.error = 0
    clock[0] += 16
    assert hold(first)
