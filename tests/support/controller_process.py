"""The controller as a separate process, with the service account and roles of the manifests and nothing more."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import yaml

from hack.cluster.waiting import wait_for
from tests.support.api import Api, authority
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
NAMESPACE = "datajob-system"


class ControllerProcess:
    """One replica of the controller."""

    def __init__(self, folder: Path, name: str, env: dict[str, str], module: str = "datajob_controller") -> None:
        self.name = name
        self._module = module
        self.log = folder / f"{name}.log"
        self._env = env | {"DATAJOB_POD_NAME": name, "DATAJOB_HTTP_PORT": str(free_port())}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port of metrics and probes."""
        return f"127.0.0.1:{self._env['DATAJOB_HTTP_PORT']}"

    def start(self) -> "ControllerProcess":
        """Start the process and wait until it answers probes."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], cwd=ROOT, env={**os.environ, **self._env}, stdout=log, stderr=log
            )
        wait_for(self._is_up, lambda: f"the controller {self.name}; its log:\n{self.log.read_text()[-2000:]}", 300)
        return self

    def _is_up(self) -> bool:
        assert self.runs(), self.log.read_text()[-2000:]
        return self.live()

    def kill(self) -> None:
        """Kill the process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process as Kubernetes does."""
        self._end(signal.SIGTERM)

    def runs(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def live(self) -> bool:
        """The result of the liveness probe."""
        return self._ok("livez")

    def ready(self) -> bool:
        """The result of the readiness probe."""
        return self._ok("readyz")

    def leads(self) -> bool:
        """Whether it is the leader and its watches are established."""
        return self.ready() and self.metric("datajob_leader") == 1

    def metric(self, name: str) -> float:
        """The sum of all samples of a metric."""
        lines = [line for line in self.get("metrics").splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def errors(self, namespace: str = "") -> list[str]:
        """The logged failures of reconciliations, of all objects or of those in a namespace."""
        lines = [line for line in self.log.read_text().splitlines() if "datajob_controller.runtime.workqueue" in line]
        return [line for line in lines if "failed" in line and namespace in line]

    def memory(self) -> int:
        """Resident memory in bytes."""
        assert self._process
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def cpu_seconds(self) -> float:
        """The CPU time that the process has used."""
        assert self._process
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def get(self, path: str, timeout: float = 60) -> str:
        """The response to a GET request."""
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=timeout) as answer:
            return str(answer.read().decode())

    def _ok(self, path: str) -> bool:
        try:
            return self.get(path) == "ok\n"
        except OSError:
            return False

    def _end(self, number: int) -> None:
        if self._process and self.runs():
            self._process.send_signal(number)
            self._process.wait(120)
        self._process = None


def account_kubeconfig(
    admin: Api, admin_config: Path, folder: Path, server: str = "", account: tuple[str, str] = (NAMESPACE, "datajob-controller")
) -> Path:
    """A kubeconfig for a service account, by default that of the controller."""
    cluster: dict[str, Any] = {"server": server or admin.server, "certificate-authority-data": authority(admin_config)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": admin.token_of(*account)}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path = folder / f"{account[0]}-{account[1]}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
