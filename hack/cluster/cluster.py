"""A cluster as tests and the command line use it: a kubeconfig, kubectl, and loading of images.

Subclasses of `Cluster` define how images are loaded and where KubeRay comes from: `bare` without Docker, `kind` with Docker.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from hack.cluster.kinds import ACCELERATORS
from hack.cluster.waiting import wait_for

STARTUP_SECONDS = 300
OVERLOADED = ("(Timeout)", "(ServerTimeout)", "(TooManyRequests)", "(ServiceUnavailable)", "etcdserver: ")
"""Parts of the errors of an API server that cannot complete a request in time, on a machine with other load."""


class KubectlFailed(Exception):
    """kubectl failed. The message is its output."""


@dataclass(frozen=True)
class Cluster:
    """A running Kubernetes cluster."""

    kubeconfig: Path
    kubectl_program: str

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 300) -> str:
        """Run kubectl and return its output. While the API server is overloaded, the command is repeated."""
        command = [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *arguments]
        end = time.monotonic() + seconds
        while True:
            left = max(1.0, end - time.monotonic())
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=left)
            if not done.returncode:
                return done.stdout
            if time.monotonic() > end or not any(sign in done.stderr for sign in OVERLOADED):
                raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
            time.sleep(1)

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """A port of this machine that `kubectl port-forward` connects to a pod, a Deployment or a Service."""
        command = [self.kubectl_program, f"--kubeconfig={self.kubeconfig}", "-n", namespace]
        forward = [*command, "port-forward", target, f":{port}", "--address=127.0.0.1"]
        with subprocess.Popen(forward, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout
                yield int(process.stdout.readline().split("127.0.0.1:")[1].split()[0])
            finally:
                process.terminate()

    def apply(self, manifest: str) -> None:
        """Apply a manifest given as text. Server-side, because CRDs are too large for client-side apply."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    def apply_kustomization(self, source: str) -> None:
        """Apply a kustomization from a folder or URL."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-k", source)

    def kuberay(self, part: str) -> str:
        """The kustomization of KubeRay: `crd`, or `default` for everything."""
        raise NotImplementedError

    def load(self, image: str) -> None:
        """Make a built image available to pods under the same name. Pods must use `imagePullPolicy: Never`."""
        raise NotImplementedError

    def remove(self) -> None:
        """Stop the cluster and remove everything that belongs to it."""
        raise NotImplementedError

    def as_service_account(self, namespace: str, name: str) -> Self:
        """The same cluster with the token of a service account, to test with the permissions of its roles."""
        config = json.loads(self.kubectl("config", "view", "--raw", "--output=json"))
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        for entry in config["users"]:
            entry["user"] = {"token": token}
        kubeconfig = self.kubeconfig.with_name(f"{namespace}-{name}.kubeconfig")
        kubeconfig.write_text(json.dumps(config, indent=1))
        return replace(self, kubeconfig=kubeconfig)

    def install_kuberay_crds(self) -> None:
        """Install the CRDs of KubeRay without its operator, for a control plane without nodes."""
        self.apply_kustomization(self.kuberay("crd"))
        for crd in ("rayjobs.ray.io", "rayclusters.ray.io"):
            self.wait_until_established(crd)

    def wait_until_established(self, crd: str) -> None:
        """Wait until the API server serves a CRD. `kubectl wait` fails for a CRD without a status."""

        def established() -> bool:
            status = json.loads(self.kubectl("get", "crd", crd, "--output=json")).get("status", {})
            return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or ())

        wait_for(established, f"the CRD {crd}")

    def answers(self) -> bool:
        """Whether the API server is ready."""
        try:
            return self.kubectl("get", "--raw=/readyz", "--request-timeout=5s", seconds=10) == "ok"
        except (KubectlFailed, subprocess.TimeoutExpired):
            return False

    def wait_until_ready(self) -> None:
        """Wait until the API server is ready and pods can be created in the default namespace."""
        wait_for(self.answers, "the API server", STARTUP_SECONDS)
        self._wait_for("serviceaccount/default")

    def finish_node(self) -> None:
        """Wait for the nodes, advertise accelerators and install the KubeRay operator."""
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={STARTUP_SECONDS}s", seconds=400)
        self.advertise_accelerators()
        self.apply_kustomization(self.kuberay("default"))
        self._available("default", "kuberay-operator")
        self._available("kube-system", "coredns")

    def advertise_accelerators(self, count: int = 8) -> None:
        """Advertise accelerators, without hardware, on nodes whose labels indicate them."""
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
        self.kubectl("wait", "--for=create", name, "--timeout=280s")
