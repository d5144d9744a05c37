"""The memory of the controller is compared with the cluster, because watches can miss deletions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime.inventory import Inventory, Missed
from datajob_controller.runtime.store import Key, Store
from tests.controller.test_store import KEY, RUN, changed, owned
from tests.support.world import SETTINGS, UID, datajob

SERVED = ("DataJob", "RayJob", "ConfigMap", "Pod")
OBJECTS = [datajob(), owned("RayJob", f"{RUN}-1"), owned("ConfigMap", f"{RUN}-report"), owned("Pod", "head")]


class ApiServer:
    """Lists objects, each on a page of its own."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = list(objects)

    async def pages(
        self, kind: str, namespace: str = "", selector: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[list[dict[str, Any]]]:
        for one in self.objects:
            if one["kind"] == kind and namespace in ("", one["metadata"]["namespace"]):
                yield [{"kind": kind, "metadata": one["metadata"]} if metadata_only else one]


class Memory:
    """A store with an inventory."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.server = ApiServer(*objects)
        self.store = Store([datajob_kind(SETTINGS)])
        self.queue: list[Key] = []
        self.known_when_enqueued: list[set[str]] = []
        self.inventory = Inventory(self.server, self.store, [datajob_kind(SETTINGS)], self._enqueue)  # type: ignore[arg-type]

    def _enqueue(self, key: Key) -> None:
        self.queue.append(key)
        self.known_when_enqueued.append(self.kinds())

    def kinds(self) -> set[str]:
        return {kind for kind in SERVED if self.store.known(kind)}

    def load(self, namespace: str = "", served: Sequence[str] = SERVED) -> None:
        asyncio.run(self.inventory.load(served, namespace))

    def sweep(self, namespace: str = "") -> Missed:
        return asyncio.run(self.inventory.sweep(SERVED, namespace))


def test_nothing_is_decided_before_all_kinds_are_known() -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    assert memory.queue == [KEY]
    assert memory.known_when_enqueued == [set(SERVED)]
    assert memory.store.owned(UID)["Pod"].keys() == {"head"}


@pytest.mark.parametrize("ghost", range(1, 4))
def test_an_owned_object_that_was_deleted_without_an_event_is_forgotten(ghost: int) -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    memory.queue.clear()
    gone = memory.server.objects.pop(ghost)
    memory.sweep()
    assert memory.kinds() == set(SERVED) - {gone["kind"]}
    assert memory.queue == [KEY]
    memory.sweep()
    assert memory.queue == [KEY]


def test_a_datajob_that_was_deleted_without_an_event_is_forgotten() -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    memory.server.objects.clear()
    memory.sweep()
    assert memory.store.all_keys() == []
    assert memory.kinds() == set()


def test_a_successor_with_the_same_name_is_another_object() -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    memory.server.objects[1] = changed(OBJECTS[1], uid="successor")
    memory.sweep()
    assert memory.kinds() == set(SERVED) - {"RayJob"}


def test_an_object_that_is_created_during_the_comparison_stays() -> None:
    memory = Memory(datajob())
    memory.load()
    pages = memory.server.pages

    async def create_then_list(kind: str, *arguments: Any, **options: Any) -> AsyncIterator[list[dict[str, Any]]]:
        if kind == "RayJob":
            memory.store.put_owned(owned("RayJob", f"{RUN}-1"))  # by a watch, after the API server has made the list
        async for page in pages(kind, *arguments, **options):
            yield page

    memory.server.pages = create_then_list  # type: ignore[method-assign]
    memory.sweep()
    assert memory.kinds() == {"DataJob", "RayJob"}


def test_a_comparison_of_one_namespace_does_not_affect_others() -> None:
    other = changed(datajob(), namespace="team-b", uid="other")
    memory = Memory(*OBJECTS, other)
    memory.load()
    memory.server.objects.clear()
    memory.sweep("team-a")
    assert [key.namespace for key in memory.store.all_keys()] == ["team-b"]


def test_objects_of_a_kind_that_is_no_longer_served_are_forgotten() -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    memory.load(served=[kind for kind in SERVED if kind != "RayJob"])
    assert memory.kinds() == set(SERVED) - {"RayJob"}


def test_changes_that_a_watch_did_not_report_are_missed() -> None:
    memory = Memory(*OBJECTS)
    memory.load()
    assert memory.sweep() == frozenset()
    newer = changed(OBJECTS[1], resourceVersion="9000")
    memory.server.objects[1] = newer
    memory.server.objects.append(changed(datajob(), name="new", uid="new"))
    known = OBJECTS[1]["metadata"]["resourceVersion"]
    assert memory.sweep() == {(OBJECTS[1]["metadata"]["uid"], known), ("new", "")}
    memory.store.put_owned(newer)
    assert memory.sweep() == {("new", "")}


def test_objects_that_belong_to_nobody_are_not_missed() -> None:
    forged = changed(owned("RayJob", "forged"), ownerReferences=[], uid="forged")
    memory = Memory(*OBJECTS)
    memory.load()
    memory.server.objects.append(forged)
    assert memory.sweep() == frozenset()
