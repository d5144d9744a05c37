"""A second kind needs no change of the runtime or of DataJob."""

from datetime import UTC, datetime
from typing import Any

from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.runtime.manifests import SELECTOR, metadata
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.types import Observed
from datajob_controller.runtime.watch import operator_settings
from tests.support.greeting import GREETING, decide, greeting_kind
from tests.support.world import SETTINGS, datajob

KINDS = [datajob_kind(SETTINGS), greeting_kind()]


def greeting(name: str = "clean-web", text: str = "hello") -> dict[str, Any]:
    meta = {"name": name, "namespace": "team-a", "uid": f"greeting-{name}", "resourceVersion": "1"}
    return {"apiVersion": GREETING.api_version, "kind": "Greeting", "metadata": meta, "spec": {"text": text}}


def config_map(owner: dict[str, Any], name: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": "1"}
    meta |= metadata(owner, name)
    return {"kind": "ConfigMap", "metadata": meta, "data": {"text": "hello", "report.json": "{}"}}


def test_objects_of_two_kinds_with_one_name_are_two_objects() -> None:
    store = Store(KINDS)
    keys = {store.put(datajob()), store.put(greeting())}
    assert keys == {Key("DataJob", "team-a", "clean-web"), Key("Greeting", "team-a", "clean-web")}
    assert [one.kind for one in store.all("Greeting")] == ["Greeting"]
    store.drop(greeting())
    assert store.all_keys() == [Key("DataJob", "team-a", "clean-web")]


def test_each_kind_keeps_of_its_objects_what_it_needs() -> None:
    store = Store(KINDS)
    for owner, kept in ((datajob(), {"report.json": "{}"}), (greeting(), {"text": "hello", "report.json": "{}"})):
        store.put_owned(config_map(owner, "clean-web-0123abcd-job"))
        key = store.put(owner)
        assert store.put_owned(config_map(owner, "clean-web-0123abcd-report")) == key
        found = store.owned(owner["metadata"]["uid"])["ConfigMap"]
        assert (found["clean-web-0123abcd-job"]["data"], found["clean-web-0123abcd-report"]["data"]) == (kept, kept)


def test_only_owned_resources_are_filtered_by_label() -> None:
    selectors = operator_settings(KINDS).watching.label_selectors
    assert sorted(str(selector.any_name) for selector in selectors) == ["configmaps", "pods", "rayjobs"]
    assert set(selectors.values()) == {SELECTOR}


def test_its_decisions_are_as_pure_as_those_of_datajobs() -> None:
    now = datetime.now(UTC)
    (made,) = decide(greeting(), Observed(), now).create
    assert decide(greeting(), Observed({"ConfigMap": {made["metadata"]["name"]: made}}), now).status == {"text": "hello"}
