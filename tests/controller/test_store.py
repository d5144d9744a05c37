"""What the controller remembers, and what it is careful not to."""

from typing import Any

from datajob.api.contract import LABEL_ATTEMPT, LABEL_UID
from datajob_controller.datajob.policy.pods import GONE
from datajob_controller.runtime.store import MAX_GONE, Store
from tests.support.world import UID, datajob


def owned(kind: str, name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    labels = {LABEL_UID: UID, LABEL_ATTEMPT: "1", "ray.io/node-type": "head"}
    meta = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version), "labels": labels}
    return {"kind": kind, "metadata": {**meta, "managedFields": ["a lot"]}, **fields}


def test_an_object_belongs_to_its_datajob() -> None:
    store = Store()
    key = store.put_datajob(datajob())
    assert store.put(owned("RayJob", "a-1")) == key == ("team-a", "clean-web")
    assert list(store.of(UID, "RayJob")) == ["a-1"]
    assert store.of(UID, "Pod") == {}


def test_an_object_that_comes_before_its_datajob_is_kept() -> None:
    store = Store()
    assert store.put(owned("RayJob", "a-1")) is None
    store.put_datajob(datajob())
    assert list(store.of(UID, "RayJob")) == ["a-1"]


def test_a_late_event_never_replaces_what_is_newer() -> None:
    store = Store()
    store.put(owned("RayJob", "a-1", version=10, status={"jobStatus": "RUNNING"}))
    store.put(owned("RayJob", "a-1", version=9, status={"jobStatus": ""}))
    assert store.of(UID, "RayJob")["a-1"]["status"] == {"jobStatus": "RUNNING"}


def test_only_what_decisions_need_is_kept() -> None:
    store = Store()
    store.put(owned("ConfigMap", "a-job", data={"job.yaml": "x" * 10_000}))
    store.put(owned("RayJob", "a-1", spec={"rayClusterSpec": {"a": "lot"}}, status={"rayClusterStatus": {"a": "lot"}}))
    assert store.of(UID, "ConfigMap")["a-job"]["data"] == {}
    assert store.of(UID, "RayJob")["a-1"]["spec"] == {"suspend": False}
    assert "managedFields" not in store.of(UID, "RayJob")["a-1"]["metadata"]


def test_a_head_that_is_deleted_is_remembered_until_its_rayjob_goes() -> None:
    store = Store()
    store.put(owned("RayJob", "a-1"))
    store.put(owned("Pod", "head"))
    store.drop(owned("Pod", "head"))
    assert store.of(UID, "Pod")["head"]["metadata"]["annotations"] == {GONE: "true"}
    store.drop(owned("RayJob", "a-1"))
    assert store.of(UID, "Pod") == {}


def test_not_more_than_a_few_gone_pods_are_remembered() -> None:
    store = Store()
    for number in range(50):
        store.drop(owned("Pod", f"head-{number}"))
        store.put(owned("ConfigMap", "a-job"))
    assert len(store.of(UID, "Pod")) <= MAX_GONE


def test_with_its_datajob_everything_is_forgotten() -> None:
    store = Store()
    store.put_datajob(datajob())
    store.put(owned("RayJob", "a-1"))
    store.drop_datajob(datajob())
    assert store.datajobs == {}
    assert store.of(UID, "RayJob") == {}


def test_the_end_of_an_older_namesake_does_not_forget_the_new_one() -> None:
    store = Store()
    older = datajob()
    older["metadata"]["uid"] = "older"
    store.put_datajob(datajob())
    store.drop_datajob(older)
    assert list(store.datajobs) == [("team-a", "clean-web")]
