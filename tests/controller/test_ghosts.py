"""Objects in the memory of the controller that no longer exist, because their deletion was missed, block nothing."""

import asyncio
from typing import Any

from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime.kind import KindMetrics
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.reconcile import Reconciler
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Store
from tests.controller.test_store import KEY, changed, owned
from tests.support.world import SETTINGS, UID, World, datajob


class ApiServer:
    """An API server that has the DataJob and what the controller creates, but none of the objects in its memory."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.deletions: list[tuple[str, str]] = []

    async def get(self, kind: str, _: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    async def create(self, manifest: dict[str, Any], *, tries: int = 1) -> dict[str, Any]:
        if manifest["kind"] == "Event":
            return manifest
        name = manifest["metadata"]["name"]
        made = changed(manifest, uid=f"new-{name}", resourceVersion="100")
        self.objects[manifest["kind"], name] = made
        return made

    async def delete(self, kind: str, _: str, name: str, uid: str) -> bool:
        self.deletions.append((kind, name))
        return self.objects.pop((kind, name), None) is not None

    async def apply_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        version = str(int(self.job["metadata"]["resourceVersion"]) + 1)
        self.job = {**changed(self.job, resourceVersion=version), "status": manifest["status"]}
        return self.job


class Controller:
    """A reconciler with a store."""

    def __init__(self, job: dict[str, Any]) -> None:
        kind = datajob_kind(SETTINGS)
        self.server, self.store = ApiServer(job), Store([kind])
        kinds = {kind.name: (kind, KindMetrics())}
        self.reconciler = Reconciler(self.server, self.store, kinds, Settings(), Metrics(), lambda *_: None)  # type: ignore[arg-type]
        self.store.put(job)

    def reconcile(self) -> dict[str, Any]:
        asyncio.run(self.reconciler.reconcile(KEY))
        return dict((self.store.get(KEY) or {})["status"])


def waiting_for(ghost_kind: str) -> Controller:
    """A controller whose DataJob waits for an object of an earlier attempt, which was deleted without an event."""
    world = World(datajob())
    world.settle()
    ray_job = world.status["rayJobName"]
    world.fails()
    controller = Controller(world.job)
    pod = owned("Pod", "head")
    cluster = f"{ray_job}-x7k2p"
    owner = [{"kind": "RayCluster", "name": cluster, "controller": True}]
    ghosts = {
        "Pod": changed(pod, labels={**pod["metadata"]["labels"], "ray.io/cluster": cluster}, ownerReferences=owner),
        "RayJob": owned("RayJob", ray_job, status={"jobDeploymentStatus": "Running"}),
    }
    assert controller.store.put_owned(ghosts[ghost_kind]) == KEY
    return controller


def test_an_attempt_does_not_wait_for_a_pod_that_is_gone() -> None:
    controller = waiting_for("Pod")
    assert controller.reconcile()["conditions"][5]["reason"] == "PreviousAttemptTerminating"
    assert controller.reconcile()["attempt"] == 2


def test_an_attempt_does_not_wait_for_a_rayjob_that_is_gone() -> None:
    controller = waiting_for("RayJob")
    assert controller.reconcile()["conditions"][5]["reason"] == "PreviousAttemptTerminating"
    assert controller.reconcile()["attempt"] == 2


def test_an_object_that_was_already_deleted_is_deleted_once() -> None:
    world = World(datajob(suspend=True))
    world.settle()
    controller = Controller(world.job)
    name = "clean-web-0123abcd-1"
    controller.store.put_owned(owned("RayJob", name))
    for _ in range(3):
        controller.reconcile()
    assert controller.server.deletions == [("RayJob", name)]
    assert controller.store.owned(UID) == {}
