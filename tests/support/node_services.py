"""ModelServices on a node, where KubeRay and Ray Serve run."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hack.cluster import product_images
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import TooLate, wait_for
from tests.support import steady_load
from tests.support.api import Api

MODEL = {"textGeneration": {"model": "none", "engine": "fake"}}
"""Repeats the words of the prompt. The image without torch can serve it."""
RESOURCES = {"head": {"cpu": "300m", "memory": "2Gi"}, "workers": {"cpu": "300m", "memory": "1500Mi"}}
KEYS, KEY = "keys", "key-of-the-test"
"""A Secret with an API key."""
WORKERS = "ray.io/node-type%3Dworker"
MINUTES = 60.0


@dataclass(frozen=True)
class Answers:
    """What became of the requests of a time span."""

    count: int
    errors: list[str]
    most_in_a_row: int
    """Failures of one client between two successes: retries that it needs."""
    longest: float
    """Seconds of the slowest request."""
    gap: float
    """Longest time without an answer to any client, in seconds."""

    def __str__(self) -> str:
        shown = f"{self.count} requests, {len(self.errors)} failed, at most {self.most_in_a_row} in a row for one client"
        return f"{shown}, slowest {self.longest:.1f} s, longest gap {self.gap:.1f} s; {sorted(set(self.errors))[:3]}"


class NodeServices:
    """The ModelServices in one namespace of a node."""

    def __init__(self, api: Api, namespace: str, cluster: Cluster) -> None:
        self.api = api
        self.namespace = namespace
        self.cluster = cluster

    def give_key(self) -> None:
        """Create the Secret with the API key that services accept, and that clients send."""
        meta = {"name": KEYS, "namespace": self.namespace}
        self.api.apply("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"test": KEY}})

    def apply(self, name: str = "words", **spec: Any) -> None:
        """Apply a service."""
        whole = {"model": MODEL, "auth": {"secretName": KEYS}, "resources": RESOURCES, **spec}
        meta = {"name": name, "namespace": self.namespace}
        self.api.apply(
            "modelservices", {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService", "metadata": meta, "spec": whole}
        )

    def edit(self, name: str = "words", **spec: Any) -> None:
        """Change the spec of a service."""
        self.api.patch("modelservices", self.namespace, name, {"spec": spec})

    def status(self, name: str = "words") -> dict[str, Any]:
        """The status of a service."""
        return dict((self.api.get("modelservices", self.namespace, name) or {}).get("status") or {})

    def pods(self, node_type: str) -> list[str]:
        """The names of the pods of heads or workers that are not being deleted."""
        found = self.api.list("pods", self.namespace, f"ray.io/node-type%3D{node_type}")
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, node_type: str) -> list[str]:
        """The names of the pods of heads or workers that are ready."""
        found = {pod["metadata"]["name"]: pod["status"].get("conditions", ()) for pod in self.api.list("pods", self.namespace)}
        ready = {name for name, all_of in found.items() if ("Ready", "True") in {(c["type"], c["status"]) for c in all_of}}
        return [name for name in self.pods(node_type) if name in ready]

    def wait(self, what: str, holds: Callable[[dict[str, Any]], Any], minutes: float = 10, name: str = "words") -> float:
        """Wait until the status is as it should be; returns the seconds that it took. A timeout describes the namespace."""
        began = time.monotonic()
        try:
            wait_for(lambda: holds(self.status(name)), what, minutes * MINUTES, every=0.5)
        except TooLate as late:
            late.add_note(self.describe())
            raise
        return time.monotonic() - began

    def wait_phase(self, phase: str, minutes: float = 10, name: str = "words") -> float:
        """Wait until the service has a phase for its current spec."""

        def holds(status: dict[str, Any]) -> bool:
            found = self.api.get("modelservices", self.namespace, name)
            return status.get("phase") == phase and status.get("observedGeneration") == found["metadata"]["generation"]

        return self.wait(f"{name} to be {phase}", holds, minutes, name)

    def wait_replicas(self, count: int) -> None:
        """Wait until the service has a number of replicas, and nothing is in progress."""
        self.wait(f"{count} replicas", lambda found: found.get("readyReplicas") == count and found["phase"] == "Available")

    def wait_new_model(self) -> None:
        """Wait until an edited model is loaded, and nothing is in progress."""
        before = self.status()["lastGood"]["revision"]
        self.wait("the new model", lambda found: found["lastGood"]["revision"] != before and found["phase"] == "Available")

    def wait_workers(self, count: int) -> None:
        """Wait until all other worker pods are gone."""
        wait_for(lambda: len(self.api.list("pods", self.namespace, WORKERS)) == count, f"{count} worker pods", 10 * MINUTES)

    def describe(self) -> str:
        """The state of the namespace, for error messages."""
        parts = [
            ("get", "ms,rayservices,rayclusters,pods,svc,endpointslices", "-o", "wide"),
            ("get", "ms,rayservices", "-o", "yaml"),
        ]
        parts += [("get", "events", "--sort-by=.lastTimestamp")]
        shown = [self.cluster.kubectl("-n", self.namespace, *part)[-8000:] for part in parts]
        for kind in ("head", "worker"):
            for pod in self.pods(kind):
                try:
                    shown.append(self.cluster.kubectl("-n", self.namespace, "logs", pod, "--tail=40", "--all-containers"))
                except Exception as error:  # noqa: BLE001 (this only explains another failure)
                    shown.append(str(error))
        return "\n".join(shown)

    def start_load(self, name: str = "words") -> None:
        """Start a pod that sends requests without a pause."""
        code = Path(steady_load.__file__).read_text()
        container = {
            "name": "load",
            "image": product_images.WORKLOAD,
            "imagePullPolicy": "Never",
            "command": ["python", "-c", code, name, KEY],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        }
        meta = {"name": "load", "namespace": self.namespace}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "restartPolicy": "Never"}
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))
        self.cluster.kubectl("-n", self.namespace, "wait", "--for=condition=Ready", "pod/load", "--timeout=280s")
        wait_for(lambda: self.answers(0).count > 10, "the first answers")

    def answers(self, since: float) -> Answers:
        """What became of the requests that ended after a point in time."""
        log = self.cluster.kubectl("-n", self.namespace, "logs", "load")
        found = [one for one in map(json.loads, log.splitlines()) if one["ended"] >= since]
        row, most = dict.fromkeys((one["client"] for one in found), 0), 0
        for one in found:
            row[one["client"]] = row[one["client"]] + 1 if one["error"] else 0
            most = max(most, row[one["client"]])
        good = sorted(one["ended"] for one in found if not one["error"])
        gap = max((later - earlier for earlier, later in pairwise(good)), default=0.0)
        longest = max((one["ended"] - one["began"] for one in found), default=0.0)
        return Answers(len(found), [one["error"] for one in found if one["error"]], most, longest, gap)

    def report(self, what: str, since: float = 0) -> Answers:
        """Print what became of the requests since a point in time, and return it."""
        found = self.answers(since)
        print(f"{what}: {f'{time.time() - since:.0f} s; ' if since else ''}{found}")
        return found

    def answers_well(self) -> bool:
        """Whether requests have been answered for some seconds."""
        found = self.answers(time.time() - 5)
        return found.count > 5 and not found.errors

    @contextmanager
    def forwarded(self, name: str = "words") -> Iterator[str]:
        """The base URL of a service on this machine."""
        with self.cluster.forwarded(self.namespace, f"service/{name}", 8000) as port:
            yield f"http://127.0.0.1:{port}/v1"
