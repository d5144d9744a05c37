"""The panels of other exporters: Ray's metrics from a real Ray, those of accelerators in the formats of their exporters."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob_controller.datajob.monitoring.alerts import ALERTS
from datajob_controller.datajob.monitoring.dashboard import DASHBOARD
from datajob_controller.modelservice.monitoring.alerts import ALERTS as SERVICE_ALERTS
from datajob_controller.modelservice.monitoring.dashboard import DASHBOARD as SERVICES
from datajob_controller.shared.monitoring.grafana import Dashboard
from hack.cluster.waiting import wait_for
from tests.support.pages import read
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, filled_in, prometheus_with

POD = "clean-0123abcd-1-x7k2p-accelerator-worker-9qwxz"
EXPORTED = f'exported_namespace="team",exported_pod="{POD}",exported_container="ray-worker"'
HONORED = f'namespace="team",pod="{POD}",container="ray-worker"'
OTHER = 'exported_namespace="team",exported_pod="notebook-0",exported_container="main"'
METRICS = {
    "dcgm": "\n".join(
        f'{name}{{gpu="{gpu}",UUID="GPU-{gpu}",device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",{labels}}} {value}'
        for name, value in (("DCGM_FI_DEV_GPU_UTIL", 50), ("DCGM_FI_DEV_FB_USED", 1024), ("DCGM_FI_DEV_POWER_USAGE", 300))
        for gpu, labels in (("0", EXPORTED), ("1", HONORED), ("2", OTHER))
    ),
    "npu": "\n".join(
        f'{name}{{id="0",container_name="ray-worker",namespace="team",pod_name="{POD}"}} {value}'
        for name, value in (("npu_chip_info_utilization", 50), ("npu_chip_info_hbm_used_memory", 1024))
    ),
}
PANELS = DASHBOARD.expressions()


@pytest.fixture(scope="module")
def exporters() -> Iterator[str]:
    """A server with the metrics of accelerators."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write("".join(f"{text}\n" for text in METRICS.values()).encode())

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_accelerator_panels_show_the_pods_of_jobs_under_both_conventions_of_labels(exporters: str, tmp_path: Path) -> None:
    scrape = {"job_name": "x", "honor_labels": True, "static_configs": [{"targets": [exporters]}]}
    wanted = {"Utilization": (0.5, 2), "Memory in use": (1024 * 1048576, 2), "Power": (300, 2)}
    with prometheus_with(tmp_path, scrape) as prometheus:
        wait_for(lambda: prometheus.query("DCGM_FI_DEV_GPU_UTIL"), "a scrape")
        for title, (value, count) in wanted.items():
            queries = [filled_in(one, "team", "clean") for one in PANELS[title]]
            gpu, *npu = (wait_for(lambda query=one: prometheus.query(query), one, every=1) for one in queries)  # type: ignore[misc]
            assert [float(one["value"][1]) for one in gpu] == [value] * count, title
            assert {one["metric"]["pod"] for one in gpu} == {POD}
            assert {one["metric"]["namespace"] for one in gpu} == {"team"}
            assert all(float(one["value"][1]) == value for found in npu for one in found) and all(npu)


RAY = """
import sys, time, ray
ray.init(num_cpus=1, include_dashboard=True, _metrics_export_port=int(sys.argv[1]), _temp_dir=sys.argv[2])
@ray.remote
def work():
    time.sleep(0.5)
kept = ray.put(b"x" * 1_000_000)
print("ready", flush=True)
while True:
    ray.get(work.remote())
"""


@pytest.fixture(scope="module")
def ray_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, scraping a Ray that runs tasks, with the labels that the PodMonitor adds."""
    import tempfile

    port = free_port()
    labels = {"namespace": "team", "name": "clean", "attempt": "1"}
    scrape = {"job_name": "ray", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]}
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        command = [sys.executable, "-c", RAY, str(port), folder]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        )
        try:
            with prometheus_with(tmp_path_factory.mktemp("prometheus"), scrape) as prometheus:
                yield prometheus
        finally:
            process.terminate()
            process.wait(60)


RARE = {"Unexpected ends of workers"}
"""A counter that Ray creates with the first fault."""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("title", [title for title, found in PANELS.items() if re.search(r"\bray_", found[0])])
def test_ray_panels_have_data_from_a_real_ray(ray_metrics: Prometheus, title: str) -> None:
    for expression in (filled_in(one, "team", "clean") for one in PANELS[title]):
        if title in RARE:
            ray_metrics.query(expression)
        else:
            wait_for(lambda query=expression: ray_metrics.query(query), f"an answer to {expression}", every=1)  # type: ignore[misc]


DASHBOARDS = pytest.mark.parametrize("dashboard", [DASHBOARD, SERVICES], ids=lambda dashboard: dashboard.uid)


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """All panels, those of collapsed rows included."""
    top = dashboard.json()["panels"]
    return [*top, *(inner for panel in top for inner in panel.get("panels", ()))]


@DASHBOARDS
def test_panels_have_different_ids_and_do_not_overlap(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    cells: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & own, panel["title"]
        cells |= own


@DASHBOARDS
def test_every_panel_uses_the_variable_of_the_data_source(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
            assert panel["targets"], panel["title"]


def links() -> set[str]:
    """All addresses of the documentation in the dashboards and the alerts."""
    text = json.dumps([DASHBOARD.json(), SERVICES.json()])
    found = re.findall(r'"(https://github.com/datajob/datajob/[^"$]+)"', text)
    return {*found, *(alert.runbook for alert in (*ALERTS, *SERVICE_ALERTS))}


@pytest.mark.parametrize("link", sorted(links()))
def test_a_link_leads_to_a_section_of_a_page(link: str) -> None:
    page, _, anchor = link.partition("/blob/main/")[2].partition("#")
    headings = re.findall(r"^#+ (.+)$", read(page), re.MULTILINE)
    assert not anchor or anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
