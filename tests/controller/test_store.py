"""What the controller remembers, and what it forgets."""

from typing import Any

import pytest

from datajob.api.contract import LABEL_ATTEMPT, LABEL_UID
from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime.kind import GONE
from datajob_controller.runtime.store import MAX_GONE, Key, Store
from tests.support.world import SETTINGS, UID, World, datajob

RUN = "clean-web-0123abcd"
CLUSTER = f"{RUN}-1-x7k2p"
KEY = Key("DataJob", "team-a", "clean-web")


def owned(kind: str, name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    labels = {LABEL_UID: UID, LABEL_ATTEMPT: "1", "ray.io/node-type": "head"}
    owner = {"kind": "DataJob", "name": "clean-web", "uid": UID, "controller": True}
    if kind == "Pod":
        owner = {"kind": "RayCluster", "name": CLUSTER, "uid": "cluster", "controller": True}
        labels["ray.io/cluster"] = CLUSTER
    meta: dict[str, Any] = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version), "labels": labels}
    meta["ownerReferences"] = [owner]
    return {"kind": kind, "metadata": {**meta, "managedFields": ["a lot"]}, **fields}


def changed(manifest: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], **meta}}


FORGERIES: dict[str, dict[str, Any]] = {
    "no owner": changed(owned("ConfigMap", f"{RUN}-report"), ownerReferences=[]),
    "another owner": changed(owned("RayJob", f"{RUN}-1"), ownerReferences=[{"uid": "other", "controller": True}]),
    "an owner that does not control": changed(owned("RayJob", f"{RUN}-1"), ownerReferences=[{"uid": UID}]),
    "another namespace": changed(owned("ConfigMap", f"{RUN}-report"), namespace="team-c"),
    "the name of a policy": owned("ConfigMap", "default-deny-job"),
    "a name without its parts": owned("ConfigMap", "clean-web-job"),
    "the name of another job": owned("RayJob", "clean-0123abcd-1"),
    "a pod without owner": changed(owned("Pod", "fakehead"), ownerReferences=[]),
    "a pod of a Deployment": changed(
        owned("Pod", "x"), ownerReferences=[{"kind": "ReplicaSet", "name": CLUSTER, "controller": True}]
    ),
    "a pod of another cluster": changed(owned("Pod", "x"), labels={LABEL_UID: UID, "ray.io/cluster": "other"}),
    "a pod in another namespace": changed(owned("Pod", "fakehead"), namespace="team-c"),
}


def store_with_job() -> Store:
    store = Store([datajob_kind(SETTINGS)])
    store.put(datajob())
    return store


def names(store: Store, kind: str) -> list[str]:
    return list(store.owned(UID).get(kind, {}))


def test_an_object_belongs_to_its_datajob() -> None:
    store = store_with_job()
    assert store.put_owned(owned("RayJob", f"{RUN}-1")) == KEY
    assert names(store, "RayJob") == [f"{RUN}-1"]
    assert names(store, "Pod") == []


def test_an_object_that_arrives_before_its_datajob_is_kept() -> None:
    store = Store([datajob_kind(SETTINGS)])
    ray_job = owned("RayJob", f"{RUN}-1", spec={"suspend": True, "rayClusterSpec": {"a": "lot"}})
    assert store.put_owned(ray_job) is None
    store.put(datajob())
    assert store.owned(UID)["RayJob"][f"{RUN}-1"]["spec"] == {"suspend": True}
    assert "rayClusterSpec" in ray_job["spec"]


def test_a_late_event_never_replaces_a_newer_version() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1", version=10, status={"jobStatus": "RUNNING"}))
    store.put_owned(owned("RayJob", f"{RUN}-1", version=9, status={"jobStatus": ""}))
    assert store.owned(UID)["RayJob"][f"{RUN}-1"]["status"] == {"jobStatus": "RUNNING"}


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_object_that_only_has_the_label_is_ignored(forgery: str, early: bool) -> None:
    """Anyone who may create objects in some namespace can set labels, and knows or guesses UIDs."""
    store, forged = Store([datajob_kind(SETTINGS)]), FORGERIES[forgery]
    if early:
        assert store.put_owned(forged) is None
    store.put(datajob())
    if not early:
        assert store.put_owned(forged) is None
    assert store.owned(UID) == {}
    assert store.drop_owned(forged) is None
    assert store.owned(UID) == {}


def test_a_forged_namesake_in_another_namespace_does_not_replace_an_object() -> None:
    store = Store([datajob_kind(SETTINGS)])
    genuine = owned("ConfigMap", f"{RUN}-report", data={"report.json": "genuine"})
    forged = changed(owned("ConfigMap", f"{RUN}-report", version=9, data={"report.json": "forged"}), namespace="team-c")
    for one in (genuine, forged):
        store.put_owned(one)
    store.put(datajob())
    store.put_owned(forged)
    store.drop_owned(forged)
    assert store.owned(UID)["ConfigMap"][f"{RUN}-report"]["data"] == {"report.json": "genuine"}


def test_a_late_deletion_of_a_namesake_does_not_forget_its_successor() -> None:
    store = store_with_job()
    store.put_owned(changed(owned("RayJob", f"{RUN}-1"), uid="successor"))
    store.drop_owned(owned("RayJob", f"{RUN}-1"))
    assert names(store, "RayJob") == [f"{RUN}-1"]


def test_only_what_decisions_need_is_kept() -> None:
    store = store_with_job()
    store.put_owned(owned("ConfigMap", f"{RUN}-job", data={"job.yaml": "x" * 10_000}))
    store.put_owned(
        owned("RayJob", f"{RUN}-1", spec={"rayClusterSpec": {"a": "lot"}}, status={"rayClusterStatus": {"a": "lot"}})
    )
    ray_job = store.owned(UID)["RayJob"][f"{RUN}-1"]
    assert store.owned(UID)["ConfigMap"][f"{RUN}-job"]["data"] == {}
    assert (ray_job["spec"], ray_job["status"]) == ({"suspend": False}, {})
    assert "managedFields" not in ray_job["metadata"]


def test_a_deleted_head_is_remembered_until_its_rayjob_is_deleted() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.put_owned(owned("Pod", "head"))
    store.drop_owned(owned("Pod", "head"))
    assert store.owned(UID)["Pod"]["head"]["metadata"]["annotations"] == {GONE: "true"}
    store.drop_owned(owned("RayJob", f"{RUN}-1"))
    assert names(store, "Pod") == []


@pytest.mark.parametrize("successor", [False, True])
def test_a_head_whose_rayjob_was_deleted_first_is_not_remembered(successor: bool) -> None:
    """Each reconciliation would ask the API server for the RayJob of a head that is remembered as lost."""
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.put_owned(owned("Pod", "head"))
    store.drop_owned(owned("RayJob", f"{RUN}-1"))
    if successor:
        store.put_owned(owned("RayJob", f"{RUN}-2"))
    store.drop_owned(owned("Pod", "head"))
    assert names(store, "Pod") == []


def test_the_rayjob_of_another_run_does_not_end_the_memory_of_a_head() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.drop_owned(owned("Pod", "head"))
    store.put_owned(owned("RayJob", "clean-web-89abcdef-1"))
    store.drop_owned(owned("RayJob", "clean-web-89abcdef-1"))
    assert names(store, "Pod") == ["head"]


def test_datajobs_that_are_deleted_while_they_run_leave_nothing() -> None:
    store = store_with_job()
    for number in range(1000):
        uid, name = f"uid-{number}", f"{RUN}-{number}"
        job = changed(datajob(), uid=uid)
        store.put(job)
        ray_job, head = (
            changed(one, labels={**one["metadata"]["labels"], LABEL_UID: uid})
            for one in (owned("RayJob", name), owned("Pod", "head"))
        )
        for one in (ray_job, head):
            store.put_owned(one)
        store.drop(job)
        store.drop_owned(ray_job)
        store.put_owned(changed(head, resourceVersion="2"))  # terminates, and its last event may be lost
    assert store.known("Pod")
    store.forget_orphans(seconds=0)
    assert store.known("Pod") == store.known("RayJob") == []


def test_an_object_is_not_forgotten_before_its_datajob_can_arrive() -> None:
    store = Store([datajob_kind(SETTINGS)])
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.forget_orphans()
    store.put(datajob())
    store.forget_orphans(seconds=0)
    assert names(store, "RayJob") == [f"{RUN}-1"]


def test_only_a_few_deleted_pods_are_remembered() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    for number in range(50):
        store.drop_owned(owned("Pod", f"head-{number}"))
        store.put_owned(owned("ConfigMap", f"{RUN}-job"))
    assert names(store, "Pod") == [f"head-{number}" for number in range(50 - MAX_GONE, 50)]


def test_everything_is_forgotten_with_its_datajob() -> None:
    store = store_with_job()
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.drop(datajob())
    assert store.all_keys() == []
    assert store.owned(UID) == {}


def test_the_deletion_of_an_older_namesake_does_not_forget_the_new_one() -> None:
    store = store_with_job()
    older = datajob()
    older["metadata"]["uid"] = "older"
    store.drop(older)
    assert store.all_keys() == [KEY]


def finished(**meta: Any) -> dict[str, Any]:
    world = World(datajob())
    world.settle()
    world.succeeds()
    return changed(world.job, **meta)


def test_a_finished_datajob_and_what_belongs_to_it_are_compressed_until_it_is_edited() -> None:
    store = Store([datajob_kind(SETTINGS)])
    store.put(datajob())
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    known = [*store.known("DataJob"), *store.known("RayJob")]
    assert [one.is_packed for one in known] == [False, False]
    before, job = store.owned(UID), finished(resourceVersion="8")
    store.put(job)
    store.put_owned(owned("ConfigMap", f"{RUN}-report", data={"report.json": "{}"}))
    known = [store.known(kind)[0] for kind in ("DataJob", "RayJob", "ConfigMap")]
    assert all(one.is_packed for one in known)
    assert store.get(KEY) == job
    assert store.owned(UID)["RayJob"] == before["RayJob"]
    assert store.owned(UID)["ConfigMap"][f"{RUN}-report"]["data"] == {"report.json": "{}"}
    edited = changed(job, resourceVersion="9", generation=2)
    store.put(edited)
    known = [store.known(kind)[0] for kind in ("DataJob", "RayJob", "ConfigMap")]
    assert not any(one.is_packed for one in known)
    assert store.get(KEY) == edited
    assert store.owned(UID)["RayJob"] == before["RayJob"]


def test_compressed_objects_are_replaced_and_forgotten_like_others() -> None:
    store = Store([datajob_kind(SETTINGS)])
    store.put(finished(resourceVersion="8"))
    store.put(finished(resourceVersion="7", labels={"late": "event"}))
    assert "labels" not in (store.get(KEY) or {})["metadata"]
    store.put_owned(owned("RayJob", f"{RUN}-1"))
    store.drop_owned(owned("RayJob", f"{RUN}-1"))
    assert store.owned(UID) == {}
    store.drop(finished())
    assert store.all_keys() == []
