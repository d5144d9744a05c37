"""A real Prometheus scrapes a real controller: every panel of the dashboard has data, and every alert is valid."""

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob_controller.datajob.monitoring import ALERTS, FOLDER, PANELS, manifests
from hack.cluster import packages
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ControllerProcess
from tests.support.reports import report

PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus"}


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[Any]:
        """The result of an expression; raises if it is invalid."""
        address = f"http://127.0.0.1:{self._port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return list(json.loads(answer.read())["data"]["result"])

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self.query("vector(1)"))
        except OSError:
            return False


@pytest.fixture(scope="module")
def prometheus(controller: ControllerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus from Debian with the rules of the project, scraping the controller every second."""
    try:
        packages.ensure(PROGRAMS)
    except packages.MissingPackages as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("prometheus")
    rules = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    scrape = {"job_name": "controller", "honor_labels": True, "static_configs": [{"targets": [controller.address]}]}
    config = {"global": {"scrape_interval": "1s"}, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = _free_port()
    command = [shutil.which("prometheus") or "prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        made = Prometheus(port)
        wait_for(made.answers, f"Prometheus; its log is in {folder}", 60)
        yield made
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def a_run(api: Api, prometheus: Prometheus) -> Iterator[None]:
    """A job that ran to its end while Prometheus was scraping; all panels share it."""
    jobs = Jobs(api, "monitoring-test")
    api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": jobs.namespace}})
    wait_for(lambda: prometheus.query("datajob_leader"), "a first scrape", 30)
    jobs.apply()
    found = jobs.set_running()
    name = f"{found['metadata']['name'].rpartition('-')[0]}-report"
    output = {"manifest": "/out/manifest.json", "files": 1, "bytes": 10, "rows": 90}
    jobs.api.patch("configmaps", jobs.namespace, name, {"data": {"report.json": report("complete", output=output)}})
    jobs.succeeds()
    yield
    api.delete("namespaces", "", jobs.namespace)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_has_data_from_a_real_run(prometheus: Prometheus, a_run: None, panel: Any) -> None:
    expression = panel.expression.replace("$namespace", ".*").replace("$name", ".*").replace("$__rate_interval", "1m")
    wait_for(lambda: prometheus.query(expression), f"an answer to {expression}", 60, every=1)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_is_valid_and_does_not_fire_without_a_cause(prometheus: Prometheus, a_run: None, alert: Any) -> None:
    found = prometheus.query(alert.expression)
    assert found == [] or alert.name == "DataJobFailed"


def test_promtool_accepts_the_rules(prometheus: Prometheus, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]))
    checked = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_runbook() -> None:
    runbook = (FOLDER.parents[1] / "docs" / "runbooks" / "alerts.md").read_text()
    for alert in ALERTS:
        assert f"\n## {alert.name}\n" in runbook


def test_the_generated_files_are_up_to_date() -> None:
    assert {name: (FOLDER / name).read_text() for name in manifests()} == manifests()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
