"""What the controller remembers, and what it forgets."""

from typing import Any

from datajob.api.contract import LABEL_ATTEMPT, LABEL_UID
from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime.kind import GONE
from datajob_controller.runtime.store import MAX_GONE, Key, Store
from tests.support.world import SETTINGS, UID, datajob

KEY = Key("DataJob", "team-a", "clean-web")


def owned(kind: str, name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    labels = {LABEL_UID: UID, LABEL_ATTEMPT: "1", "ray.io/node-type": "head"}
    meta = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version), "labels": labels}
    return {"kind": kind, "metadata": {**meta, "managedFields": ["a lot"]}, **fields}


def store_with_job() -> Store:
    store = Store([datajob_kind(SETTINGS)])
    store.put(datajob())
    return store


def names(store: Store, kind: str) -> list[str]:
    return list(store.owned(UID).get(kind, {}))


def test_an_object_belongs_to_its_datajob() -> None:
    store = store_with_job()
    assert store.put_owned(owned("RayJob", "a-1")) == KEY
    assert names(store, "RayJob") == ["a-1"]
    assert names(store, "Pod") == []


def test_an_object_that_arrives_before_its_datajob_is_kept() -> None:
    store = Store([datajob_kind(SETTINGS)])
    ray_job = owned("RayJob", "a-1", spec={"suspend": True, "rayClusterSpec": {"a": "lot"}})
    assert store.put_owned(ray_job) is None
    store.put(datajob())
    assert store.owned(UID)["RayJob"]["a-1"]["spec"] == {"suspend": True}
    assert "rayClusterSpec" in ray_job["spec"]


def test_a_late_event_never_replaces_a_newer_version() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", "a-1", version=10, status={"jobStatus": "RUNNING"}))
    store.put_owned(owned("RayJob", "a-1", version=9, status={"jobStatus": ""}))
    assert store.owned(UID)["RayJob"]["a-1"]["status"] == {"jobStatus": "RUNNING"}


def test_only_what_decisions_need_is_kept() -> None:
    store = store_with_job()
    store.put_owned(owned("ConfigMap", "a-job", data={"job.yaml": "x" * 10_000}))
    store.put_owned(owned("RayJob", "a-1", spec={"rayClusterSpec": {"a": "lot"}}, status={"rayClusterStatus": {"a": "lot"}}))
    ray_job = store.owned(UID)["RayJob"]["a-1"]
    assert store.owned(UID)["ConfigMap"]["a-job"]["data"] == {}
    assert (ray_job["spec"], ray_job["status"]) == ({"suspend": False}, {})
    assert "managedFields" not in ray_job["metadata"]


def test_a_deleted_head_is_remembered_until_its_rayjob_is_deleted() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", "a-1"))
    store.put_owned(owned("Pod", "head"))
    store.drop_owned(owned("Pod", "head"))
    assert store.owned(UID)["Pod"]["head"]["metadata"]["annotations"] == {GONE: "true"}
    store.drop_owned(owned("RayJob", "a-1"))
    assert names(store, "Pod") == []


def test_only_a_few_deleted_pods_are_remembered() -> None:
    store = store_with_job()
    for number in range(50):
        store.drop_owned(owned("Pod", f"head-{number}"))
        store.put_owned(owned("ConfigMap", "a-job"))
    assert names(store, "Pod") == [f"head-{number}" for number in range(50 - MAX_GONE, 50)]


def test_everything_is_forgotten_with_its_datajob() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", "a-1"))
    store.drop(datajob())
    assert store.objects == {}
    assert store.owned(UID) == {}


def test_the_deletion_of_an_older_namesake_does_not_forget_the_new_one() -> None:
    store = store_with_job()
    older = datajob()
    older["metadata"]["uid"] = "older"
    store.drop(older)
    assert list(store.objects) == [KEY]
