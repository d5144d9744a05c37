"""Pods that try to connect to others, to test which connections NetworkPolicies admit."""

import json
from typing import Any

from hack.cluster import product_images
from hack.cluster.cluster import Cluster

CODE = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError:
        continue
    print(place)
"""
STATUS = """
import sys, urllib.error, urllib.request
headers = {"x-ray-authorization": sys.argv[2]} if sys.argv[2] else {}
try:
    print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
CONTAINER: dict[str, Any] = {
    "name": "probe",
    "image": product_images.WORKLOAD,
    "imagePullPolicy": "Never",
    "command": ["sleep", "3600"],
    "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
}


class Probe:
    """A running pod with Python."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, container: str) -> None:
        self._command = ("-n", namespace, "exec", name, "-c", container, "--", "python", "-c")
        self._cluster = cluster

    def reaches(self, *places: str) -> set[str]:
        """Those of the places (host:port) to which the pod can connect."""
        return set(self._cluster.kubectl(*self._command, CODE, *places).split())

    def status_of(self, url: str, token: str = "") -> int:
        """The HTTP status of a GET request, with a token for Ray if it is given."""
        return int(self._cluster.kubectl(*self._command, STATUS, url, f"Bearer {token}" if token else ""))

    def resolves(self, name: str) -> bool:
        """Whether DNS answers with an address."""
        lookup = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
        return bool(self._cluster.kubectl(*self._command, lookup, name).strip())


def start_probe(cluster: Cluster, namespace: str, labels: dict[str, str] | None = None) -> Probe:
    """Start a pod of the workload image and wait until it is ready."""
    meta = {"name": "probe", "namespace": namespace, "labels": labels or {}}
    spec = {"containers": [CONTAINER], "terminationGracePeriodSeconds": 1}
    cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/probe", "--timeout=280s")
    return Probe(cluster, namespace, "probe", "probe")
