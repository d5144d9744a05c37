"""What tests and the command line see of a cluster: a kubeconfig, kubectl, and a way to give it images.

`Cluster` is the same for every kind of cluster; the subclasses say how images get in and where KubeRay comes from. `bare` makes
the ones without Docker, `kind` the others.
"""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from hack.cluster.kinds import ACCELERATORS
from hack.cluster.waiting import wait_for

STARTUP_SECONDS = 300


class KubectlFailed(Exception):
    """kubectl ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Cluster:
    """A running Kubernetes."""

    kubeconfig: Path
    kubectl_program: str

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 300) -> str:
        """Run kubectl and give back what it printed."""
        command = [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, manifest: str) -> None:
        """Apply a manifest given as text, server-side: CRDs are too big for any other way."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    def apply_kustomization(self, source: str) -> None:
        """Apply what kustomize makes of a folder or an address."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-k", source)

    def kuberay(self, part: str) -> str:
        """The kustomization of one part of KubeRay's manifests: `crd` or `default`, which is all of it."""
        raise NotImplementedError

    def load(self, image: str) -> None:
        """Make a built image available to pods under the same name; they must not pull it (`imagePullPolicy: Never`)."""
        raise NotImplementedError

    def remove(self) -> None:
        """End the cluster and leave nothing of it."""
        raise NotImplementedError

    def as_service_account(self, namespace: str, name: str) -> Self:
        """The same cluster, seen with a service account's token: for what must do with the rights that a role gives."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--output=json"))
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        for entry in config["users"]:
            entry["user"] = {"token": token}
        kubeconfig = self.kubeconfig.with_name(f"{namespace}-{name}.kubeconfig")
        kubeconfig.write_text(json.dumps(config, indent=1))
        return replace(self, kubeconfig=kubeconfig)

    def install_kuberay_crds(self) -> None:
        """KubeRay's types without its operator, as a control plane without nodes needs them."""
        self.apply_kustomization(self.kuberay("crd"))
        for crd in ("rayjobs.ray.io", "rayclusters.ray.io"):
            self.wait_until_established(crd)

    def wait_until_established(self, crd: str) -> None:
        """Wait until the API server serves a type; `kubectl wait` gives up on one that has no status yet."""

        def established() -> bool:
            status = json.loads(self.kubectl("get", "crd", crd, "--output=json")).get("status", {})
            return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or ())

        wait_for(established, f"the type {crd}", 60)

    def answers(self) -> bool:
        """Whether the API server is ready for requests."""
        try:
            return self.kubectl("get", "--raw=/readyz", "--request-timeout=5s", seconds=10) == "ok"
        except (KubectlFailed, subprocess.TimeoutExpired):
            return False

    def wait_until_ready(self) -> None:
        """Wait until the API server answers and has what every namespace needs to run a pod."""
        wait_for(self.answers, "the API server", STARTUP_SECONDS)
        self._wait_for("serviceaccount/default")

    def finish_node(self) -> None:
        """Wait for the nodes, give them their pretended accelerators, and install KubeRay's operator."""
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={STARTUP_SECONDS}s", seconds=400)
        self.advertise_accelerators()
        self.apply_kustomization(self.kuberay("default"))
        self._available("default", "kuberay-operator")
        self._available("kube-system", "coredns")

    def advertise_accelerators(self, count: int = 8) -> None:
        """Let the scheduler count accelerators on nodes whose labels tell of some; there is no hardware behind it."""
        nodes = json.loads(self.kubectl("get", "nodes", "--output=json"))["items"]
        for node in nodes:
            labels = node["metadata"]["labels"]
            capacity = {resource: str(count) for label, resource in ACCELERATORS.items() if label in labels}
            if capacity:
                patch = json.dumps({"status": {"capacity": capacity}})
                self.kubectl("patch", "node", node["metadata"]["name"], "--subresource=status", "--patch", patch)

    def _available(self, namespace: str, deployment: str) -> None:
        timeout = f"--timeout={STARTUP_SECONDS}s"
        self.kubectl("wait", "-n", namespace, "--for=condition=Available", f"deploy/{deployment}", timeout, seconds=400)

    def _wait_for(self, name: str) -> None:
        self.kubectl("wait", "--for=create", name, "--timeout=60s")
