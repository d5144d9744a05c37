"""ModelServices, and what KubeRay makes of them, as the API server would return them."""

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import yaml

from datajob_controller.modelservice.decide import decide
from datajob_controller.modelservice.kind import service_kind
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.runtime.manifests import Manifest, rfc3339
from datajob_controller.runtime.types import Decision, Observed, Obstacle, Patch
from tests.support.world import NOW

UID = "6f1c2a34-0000-4000-8000-00000000000a"
NAME = "qwen"
SPEC: Manifest = {
    "model": {"textGeneration": {"model": "org/first", "device": "cpu"}},
    "auth": {"anonymous": True},
}
SETTINGS = ServiceSettings()
KINDS = {owned.resource.kind: owned for owned in service_kind(SETTINGS).owned}


def modelservice(**spec: Any) -> Manifest:
    """A ModelService with the smallest spec and the given fields."""
    meta = {"name": NAME, "namespace": "team-a", "uid": UID, "generation": 1, "resourceVersion": "7"}
    made = {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService"}
    return {**made, "metadata": {**meta, "creationTimestamp": rfc3339(NOW)}, "spec": deepcopy({**SPEC, **spec})}


class ServiceWorld:
    """A ModelService that is decided repeatedly, with every decision carried out, and KubeRay under control of the test."""

    def __init__(self, settings: ServiceSettings = SETTINGS, **spec: Any) -> None:
        self.service = modelservice(**spec)
        self.settings = settings
        self.now: datetime = NOW
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.unserved: set[str] = {"HTTPRoute"}
        self.obstacle: Obstacle | None = None
        self.warnings: dict[str, str] = {}
        self.events: list[str] = []
        self.deleted: list[str] = []
        self.patched: list[Patch] = []
        self.cluster = 0

    def edit(self, **spec: Any) -> None:
        """Change the spec as a user does; None removes a field."""
        changed = {**self.service["spec"], **spec}
        self.service["spec"] = {key: value for key, value in changed.items() if value is not None}
        self.service["metadata"]["generation"] += 1

    def decide(self) -> Decision:
        """Decide and carry out the decision."""
        decision = decide(self.service, self.observed(), self.now, self.settings)
        for made in decision.create:
            known = (made["kind"], made["metadata"]["name"]) in self.objects
            assert not (known and made["kind"] in KINDS), "created twice"
            stored = deepcopy(made)
            stored["metadata"] |= {"uid": f"{made['kind']}-1", "generation": 1, "creationTimestamp": rfc3339(self.now)}
            self.objects[made["kind"], made["metadata"]["name"]] = stored
        for patch in decision.patch:
            self.patched.append(patch)
            self._patch(self.objects[patch.kind, patch.name], patch)
        for one in decision.delete:
            self.deleted.append(f"{one.kind}/{one.name}")
            self.objects.pop((one.kind, one.name), None)
            if one.kind == "RayService":
                self.objects = {key: found for key, found in self.objects.items() if key[0] not in ("RayCluster", "Pod")}
        if decision.status is not None:
            self.service["status"] = decision.status
        self.events += [event.reason for event in decision.events]
        return decision

    def settle(self) -> Manifest:
        """Decide until nothing changes, as level-based decisions must, and return the status."""
        for _ in range(10):
            decision = self.decide()
            if not (decision.create or decision.patch or decision.delete or decision.status or decision.events):
                return self.status
        raise AssertionError("the decisions do not converge")

    def passes(self, seconds: float) -> Manifest:
        """Let time pass, then decide until nothing changes."""
        self.now += timedelta(seconds=seconds)
        return self.settle()

    @property
    def status(self) -> Manifest:
        """The status of the service."""
        return self.service.get("status") or {}

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        return next((c["status"], c["reason"]) for c in self.status["conditions"] if c["type"] == kind)

    def message(self, kind: str) -> str:
        """The message of a condition."""
        return str(next(c["message"] for c in self.status["conditions"] if c["type"] == kind))

    def observed(self) -> Observed:
        """What the runtime passes to `decide`: the parts of objects that it keeps."""
        owned: dict[str, dict[str, Manifest]] = {}
        for (kind, name), found in self.objects.items():
            if kind in KINDS:
                meta = {key: value for key, value in found["metadata"].items() if key != "annotations"}
                owned.setdefault(kind, {})[name] = {**KINDS[kind].keep(found), "kind": kind, "metadata": meta}
        return Observed(owned, frozenset(self.unserved), self.obstacle, self.warnings)

    @property
    def ray_service(self) -> Manifest:
        """The RayService."""
        return self.objects["RayService", NAME]

    @property
    def config(self) -> Manifest:
        """The application in the configuration of Ray Serve."""
        parsed: Manifest = yaml.safe_load(self.ray_service["spec"]["serveConfigV2"])
        return dict(parsed["applications"][0])

    @property
    def model(self) -> str:
        """The model that Ray Serve is told to load."""
        (block,) = self.config["args"]["service"]["model"].values()
        return str(block["model"])

    def kuberay(self, active: str = "", pending: str = "", message: str = "", deployments: str = "HEALTHY") -> None:
        """KubeRay has seen the RayService, and reports the application in its clusters: RUNNING, or any other status.

        `old=RUNNING` names the cluster; by default, the active one is the first, and the pending one the second.
        """
        status: Manifest = {"observedGeneration": self.ray_service["metadata"]["generation"], "conditions": []}
        for key, state, default in (("activeServiceStatus", active, "aaaaa"), ("pendingServiceStatus", pending, "bbbbb")):
            if state:
                suffix, _, app = state.rpartition("=")
                name = f"{NAME}-{suffix or default}"
                self.add_cluster(name)
                found = {"status": app, "message": message, "serveDeploymentStatuses": {"model": {"status": deployments}}}
                status[key] = {"rayClusterName": name, "applicationStatuses": {NAME: found} if app != "-" else {}}
        self.ray_service["status"] = status

    def add_cluster(self, name: str) -> None:
        """KubeRay makes a RayCluster of the RayService, once."""
        if ("RayCluster", name) not in self.objects:
            meta = {"name": name, "namespace": "team-a", "uid": name, "labels": self.ray_service["metadata"]["labels"]}
            spec = deepcopy(self.ray_service["spec"]["rayClusterConfig"])
            self.objects["RayCluster", name] = {"kind": "RayCluster", "metadata": meta, "spec": spec}

    def pods(self, ready: int, cluster: str = "aaaaa", waiting: int = 0, **status: Any) -> None:
        """The workers of a cluster: some are ready, others wait."""
        self.objects = {key: found for key, found in self.objects.items() if key[0] != "Pod"}
        for index in range(ready + waiting):
            labels = {"ray.io/cluster": f"{NAME}-{cluster}", "ray.io/node-type": "worker", "ray.io/group": "workers"}
            meta = {"name": f"pod-{index}", "labels": {**labels, "ray.io/serve": "true"}}
            conditions = [{"type": "Ready", "status": "True" if index < ready else "False"}]
            found = {"phase": "Running", "conditions": conditions} if index < ready else {"phase": "Pending", **status}
            self.objects["Pod", f"pod-{index}"] = {"kind": "Pod", "metadata": meta, "spec": {}, "status": found}

    def runs(self, replicas: int = 1) -> Manifest:
        """The application runs in the active cluster, with some replicas."""
        self.kuberay(active="RUNNING")
        self.pods(replicas)
        return self.passes(15)

    @staticmethod
    def _patch(found: Manifest, patch: Patch) -> None:
        """Apply a JSON patch, of which only `add` is used."""
        for operation in patch.operations:
            assert operation["op"] == "add"
            *path, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
            here: Any = found
            for part in path:
                here = here[int(part)] if isinstance(here, list) else here[part]
            here[last] = operation["value"]
        if any(operation["path"].startswith("/spec") for operation in patch.operations):
            found["metadata"]["generation"] = found["metadata"].get("generation", 1) + 1
