"""A release of the chart on a control plane without nodes."""

import subprocess
from pathlib import Path
from typing import Any

from hack.cluster.build import binary
from hack.cluster.cluster import Cluster
from tests.support.api import Api
from tests.support.controller_process import ControllerProcess, account_kubeconfig
from tests.support.rendering import CHART


class Release:
    """A release of the chart."""

    def __init__(self, cluster: Cluster, name: str, namespace: str) -> None:
        self.name, self.namespace = name, namespace
        self.cluster = cluster

    def helm(self, verb: str, *arguments: str) -> str:
        """Run helm, which must succeed without a warning."""
        done = self.refused(verb, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def refused(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm and return what it did."""
        chart = [str(CHART)] if verb in ("install", "upgrade") else []
        where = ["--namespace", self.namespace, "--kubeconfig", str(self.cluster.kubeconfig)]
        command = [str(binary("helm")), verb, self.name, *chart, *where, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def install(self, *arguments: str) -> str:
        """Install it. There are no nodes, so its pods do not start."""
        return self.helm("install", "--create-namespace", *arguments)

    def deployment(self, api: Api) -> dict[str, Any]:
        """Its Deployment."""
        path = f"apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}-controller"
        return dict(api.request("GET", path))

    def env(self, api: Api, pod: dict[str, Any] | None = None) -> dict[str, str]:
        """The environment of its controller, or of another pod, without what the kubelet fills in."""
        pod = pod or self.deployment(api)["spec"]["template"]
        return {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"] if "value" in one}

    def process(self, api: Api, folder: Path) -> ControllerProcess:
        """Its controller as a process, with the account, the settings and the permissions of the release."""
        account = (self.namespace, f"{self.name}-controller")
        config = account_kubeconfig(api, self.cluster.kubeconfig, folder, account=account)
        env = {**self.env(api), "KUBECONFIG": str(config), "DATAJOB_POD_NAMESPACE": self.namespace}
        return ControllerProcess(folder, f"{self.namespace}-{self.name}", env).start()
