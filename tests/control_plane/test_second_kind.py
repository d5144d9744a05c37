"""On a real API server, a controller serves a second kind without any change of its runtime or of DataJob."""

import json
from typing import Any

import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start
from tests.support.api import BASES, Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess
from tests.support.greeting import GREETING, crd, role

CRD = f"{GREETING.plural}.{GREETING.group}"


@pytest.fixture
def controller(
    control_plane: Cluster, start: Start, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> ControllerProcess:
    """A controller with both kinds and the permissions for them; the second CRD is not installed yet."""
    monkeypatch.setitem(BASES, GREETING.plural, GREETING.base)
    for one in role():
        control_plane.apply(json.dumps(one))
    request.addfinalizer(lambda: control_plane.kubectl("delete", f"crd/{CRD}", "--ignore-not-found", "--wait=true"))
    made = start(module="tests.support.greeting")
    wait_for(made.leads, "the controller to lead")
    return made


def install(control_plane: Cluster) -> None:
    control_plane.apply(json.dumps(crd()))
    control_plane.wait_until_established(CRD)


def apply(api: Api, namespace: str, text: str) -> None:
    meta = {"name": "clean", "namespace": namespace}
    api.apply(
        GREETING.plural, {"apiVersion": GREETING.api_version, "kind": "Greeting", "metadata": meta, "spec": {"text": text}}
    )


def text_of(api: Api, namespace: str) -> Any:
    found = api.get("configmaps", namespace, "clean-greeting")
    return found and found["data"]["text"]


def status_of(api: Api, namespace: str) -> Any:
    return (api.get(GREETING.plural, namespace, "clean") or {}).get("status")


def test_two_kinds_are_served_by_one_process(jobs: Jobs, control_plane: Cluster, controller: ControllerProcess) -> None:
    api, namespace = jobs.api, jobs.namespace
    jobs.apply()
    jobs.set_running()
    before = jobs.owned()
    install(control_plane)  # while the controller runs and serves DataJobs
    apply(api, namespace, "hello")
    wait_for(lambda: status_of(api, namespace) == {"text": "hello"}, "the status of the second kind")
    apply(api, namespace, "goodbye")
    wait_for(lambda: text_of(api, namespace) == "goodbye", "the edit to be carried out")
    api.delete("configmaps", namespace, "clean-greeting")
    wait_for(lambda: text_of(api, namespace) == "goodbye", "the deleted ConfigMap to come back")
    api.delete(GREETING.plural, namespace, "clean")
    wait_for(lambda: jobs.owned() == before, f"only the objects of the DataJob to remain: {jobs.owned()}")
    jobs.succeeds()
    wait_for(lambda: [event["reason"] for event in jobs.wait_event("Greeted")].count("Greeted") == 2, "an Event for each text")
    assert controller.errors() == []
