"""A real Prometheus scrapes a real controller: every panel of the dashboard has data, and every alert is valid."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from datajob_controller.datajob.monitoring.alerts import ALERTS
from datajob_controller.datajob.monitoring.dashboard import DASHBOARD
from datajob_controller.datajob.monitoring.files import manifests
from datajob_controller.modelservice.monitoring.__main__ import manifests as service_manifests
from datajob_controller.modelservice.monitoring.alerts import ALERTS as SERVICE_ALERTS
from datajob_controller.modelservice.monitoring.dashboard import DASHBOARD as SERVICES
from datajob_controller.shared.monitoring.files import FOLDER
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess
from tests.support.prometheus import Prometheus, filled_in, prometheus_with
from tests.support.reports import report


@pytest.fixture(scope="module")
def prometheus(controller: ControllerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, scraping a controller."""
    scrape = {"job_name": "controller", "honor_labels": True, "static_configs": [{"targets": [controller.address]}]}
    with prometheus_with(tmp_path_factory.mktemp("prometheus"), scrape) as made:
        yield made


@pytest.fixture(scope="module")
def a_run(api: Api, prometheus: Prometheus) -> Iterator[None]:
    """Jobs in several states that Prometheus has scraped; all panels share them."""
    jobs = Jobs(api, "monitoring-test")
    api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": jobs.namespace}})
    wait_for(lambda: prometheus.query("datajob_leader"), "a first scrape")
    for name in ("clean", "running", "invalid", "fails"):
        jobs.apply(name, **({"sink": {"parquet": {"path": "out/local"}}} if name == "invalid" else {}))
    output = {"manifest": "/out/manifest.json", "files": 1, "bytes": 10, "rows": 90}
    for name in ("clean", "running"):
        found = jobs.set_running(name=name)
        run = found["metadata"]["name"].rpartition("-")[0]
        state = (
            report("complete", output=output)
            if name == "clean"
            else report(progress={"rowsIn": 100, "percent": 30, "etaSeconds": 60}, steps=STEPS)
        )
        jobs.api.patch("configmaps", jobs.namespace, f"{run}-report", {"data": {"report.json": state}})
    jobs.succeeds()
    for attempt, code in ((1, 1), (2, 2)):
        jobs.fails(f"Job entrypoint command failed with exit code {code}", attempt, "fails")
    spec = {"model": {"textGeneration": {"model": "org/first", "device": "cpu"}}, "auth": {"anonymous": True}}
    meta = {"name": "served", "namespace": jobs.namespace}
    api.create("modelservices", {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService", "metadata": meta, "spec": spec})
    wait_for(lambda: phases(prometheus) == PHASES, "a scrape of the last phases", every=1)
    wait_for(lambda: prometheus.query("datajob_modelservice_replicas == 1"), "a scrape of the service", every=1)
    yield
    api.delete("namespaces", "", jobs.namespace)


STEPS = [
    {"name": "filter", "rowsIn": 100, "rowsOut": 90, "rejected": {"short": 10}, "removedItems": {"blurred": 4}, "seconds": 1.5}
]
PHASES = {
    "clean": ("Complete", "Succeeded"),
    "running": ("Running", "DriverRunning"),
    "fails": ("Failed", "InvalidJob"),
    "invalid": ("Invalid", "InvalidSpec"),
}
PANELS = DASHBOARD.expressions()
PANELS |= {
    f"{SERVICES.title}: {title}": found
    for title, found in SERVICES.expressions().items()
    if "datajob_modelservice_" in found[0]
}
ELSEWHERE = re.compile(r"\b(ray|DCGM|npu_chip)_")
"""Metrics of other exporters. The metrics of applications are tested with one, in tests/serving."""
CAUSES = {"DataJobFailed": {"fails"}, "DataJobStalled": {"invalid"}, "ModelServiceUnavailable": {"served"}}
"""The objects to which alerts apply."""
RARE = {"Restarts of the watches", "Namespaces that are watched"}
"""Panels that are empty unless something changes or namespaces are listed."""


def phases(prometheus: Prometheus) -> dict[str, tuple[str, str]]:
    """Phase and reason of each job in the last scrape, which is some seconds older than the objects."""
    found = prometheus.query("datajob_phase")
    return {one["metric"]["name"]: (one["metric"]["phase"], one["metric"]["reason"]) for one in found}


@pytest.mark.parametrize("title", [title for title, found in PANELS.items() if not ELSEWHERE.search(found[0])])
def test_every_panel_has_data_from_a_real_run(prometheus: Prometheus, a_run: None, title: str) -> None:
    for expression in map(filled_in, PANELS[title]):
        if title in RARE:
            prometheus.query(expression)
        else:
            wait_for(lambda query=expression: prometheus.query(query), f"an answer to {expression}", every=1)  # type: ignore[misc]


def test_the_table_has_one_row_for_each_job_with_its_phase(prometheus: Prometheus, a_run: None) -> None:
    table = next(panel for panel in DASHBOARD.json()["panels"] if panel["type"] == "table")
    expressions = [filled_in(target["expr"]) for target in table["targets"]]
    columns = [wait_for(lambda query=one: prometheus.query(query), f"an answer to {one}", every=1) for one in expressions]  # type: ignore[misc]
    keys = [sorted(one["metric"]["name"] for one in column) for column in columns]
    assert keys[0] == ["clean", "fails", "invalid", "running"]
    assert all(len(set(names)) == len(names) and set(names) <= set(keys[0]) for names in keys)
    assert {one["metric"]["name"]: (one["metric"]["phase"], one["metric"]["reason"]) for one in columns[0]} == PHASES


@pytest.mark.parametrize("alert", (*ALERTS, *SERVICE_ALERTS), ids=lambda alert: alert.name)
def test_every_alert_is_valid_and_does_not_fire_without_a_cause(prometheus: Prometheus, a_run: None, alert: Any) -> None:
    """The time for which an alert must hold is not part of its expression. A scrape that is missed is a cause, too."""
    expected = [CAUSES[alert.name]] if alert.name in CAUSES else [set(), {"running"}]

    def jobs_of_alert() -> set[str | None]:
        return {one["metric"].get("name") for one in prometheus.query(alert.expression)}

    wait_for(lambda: jobs_of_alert() in expected, lambda: f"{expected}: {jobs_of_alert()}", every=1)


def test_the_generated_files_are_up_to_date() -> None:
    generated = manifests() | service_manifests()
    assert {name: (FOLDER / name).read_text() for name in generated} == generated
