"""A real Prometheus with the rules of the project."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob_controller.shared.monitoring.files import FOLDER
from hack.cluster import packages
from hack.cluster.waiting import wait_for
from tests.support.ports import free_port


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[Any]:
        """The result of an expression; raises if it is invalid."""
        address = f"http://127.0.0.1:{self._port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return list(json.loads(answer.read())["data"]["result"])

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self.query("vector(1)"))
        except OSError:
            return False


@contextmanager
def prometheus_with(folder: Path, *scrapes: dict[str, Any]) -> Iterator[Prometheus]:
    """Prometheus from Debian. A scrape that takes longer than the interval is missed: its series are empty until the next."""
    try:
        packages.ensure({"prometheus": "prometheus"})
    except packages.MissingPackages as missing:
        pytest.skip(str(missing))
    rules = sorted(path.name for path in FOLDER.glob("*rules.yaml"))
    for name in rules:
        (folder / name).write_text(yaml.safe_dump(yaml.safe_load((FOLDER / name).read_text())["spec"]))
    config = {"global": {"scrape_interval": "2s"}, "rule_files": rules, "scrape_configs": list(scrapes)}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [shutil.which("prometheus") or "prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        made = Prometheus(port)
        wait_for(made.answers, f"Prometheus; its log is in {folder}")
        yield made
    finally:
        process.terminate()
        process.wait(120)


def filled_in(expression: str, namespace: str = ".*", name: str = ".*") -> str:
    """An expression of the dashboard as Grafana sends it."""
    values = {"$namespace": namespace, "$name": name, "$__rate_interval": "1m", "$__range": "10m"}
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    return expression
