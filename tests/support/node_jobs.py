"""DataJobs on a node, where KubeRay and Ray run."""

from collections.abc import Sequence
from typing import Any

import yaml

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import TooLate, wait_for
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ROOT

MINUTES = 60.0
DOCUMENTS = 3036
SMALL = {
    "head": {"cpu": "700m", "memory": "2Gi"},
    "workers": {"min": 1, "max": 1, "cpu": "600m", "memory": "2Gi"},
}
"""Resources that fit on two cores together with everything else."""


class NodeJobs(Jobs):
    """The DataJobs in one namespace of a node."""

    def __init__(self, api: Api, namespace: str, cluster: Cluster) -> None:
        super().__init__(api, namespace)
        self.cluster = cluster

    def sample(self, file: str, **spec: Any) -> dict[str, Any]:
        """Apply a sample, with parts of its spec replaced, and return the DataJob."""
        job = self.read_sample(file)
        job["metadata"]["namespace"] = self.namespace
        job["spec"] |= spec
        return dict(self.api.apply("datajobs", job))

    @staticmethod
    def read_sample(file: str) -> dict[str, Any]:
        """The DataJob of a sample, unchanged."""
        return dict(yaml.safe_load((ROOT / "manifests" / "samples" / file).read_text()))

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """The pods of the namespace with these labels."""
        selector = ",".join(f"{name}%3D{value}" for name, value in labels.items())
        return self.api.list("pods", self.namespace, selector)

    def heads(self) -> list[dict[str, Any]]:
        """The running head pods."""
        found = self.pods(**{"ray.io/node-type": "head"})
        return [pod for pod in found if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]]

    def wait_end(self, name: str, minutes: float = 15) -> dict[str, Any]:
        """Wait until a DataJob is complete or failed and return its status. A timeout describes the state of the namespace."""

        def ended() -> bool:
            return self.status(name).get("phase") in ("Complete", "Failed")

        try:
            wait_for(ended, f"the end of {name}", minutes * MINUTES, every=1)
        except TooLate as late:
            late.add_note(self.describe())
            raise
        return self.status(name)

    def describe(self) -> str:
        """The state of the namespace, for error messages."""
        parts = [("get", "dj,rayjobs,rayclusters,pods", "-o", "wide"), ("get", "dj", "-o", "yaml")]
        parts += [("get", "events", "--sort-by=.lastTimestamp")]
        shown = [self.cluster.kubectl("-n", self.namespace, *part)[-6000:] for part in parts]
        for pod in self.pods():
            log = ("-n", self.namespace, "logs", pod["metadata"]["name"], "--tail=30", "--all-containers")
            try:
                shown.append(self.cluster.kubectl(*log))
            except Exception as error:  # noqa: BLE001 (this only explains another failure)
                shown.append(str(error))
        return "\n".join(shown)

    def slow(self, name: str = "slow", seconds_per_batch: float = 1.0, **spec: Any) -> dict[str, Any]:
        """Apply a slow DataJob: 61 batches of 50 documents with a delay for each."""
        code = f"import time\n\n\ndef keep(rows):\n    time.sleep({seconds_per_batch})\n    return rows\n"
        steps = [{"mapBatches": {"function": "functions:keep", "batchSize": 50}}]
        return self.with_code(name, code, **{"steps": steps, **spec})

    def with_code(self, name: str, code: str, env: Sequence[dict[str, str]] = (), **spec: Any) -> dict[str, Any]:
        """Apply a DataJob over the documents of the demo whose steps use functions of the module `functions`."""
        meta = {"name": "code", "namespace": self.namespace}
        self.api.apply(
            "configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"functions.py": code}}
        )
        runtime = {
            "env": [{"name": "PYTHONPATH", "value": "/opt/code"}, *env],
            "envFrom": [{"secretRef": {"name": "s3"}}],
            "volumes": [{"name": "code", "configMap": {"name": "code"}}],
            "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}],
        }
        made = self.manifest(
            name,
            sources=[{"json": {"paths": ["s3://datasets/docs/"]}}],
            sink={"parquet": {"path": f"s3://datasets/{self.namespace}/", "mode": "overwrite"}},
            runtime=runtime,
            resources=SMALL,
            retry={"limit": 3, "backoffSeconds": 1},
        )
        made["spec"] |= spec
        return dict(self.api.apply("datajobs", made))

    def wait_running(self, name: str = "slow", seconds: float = 600) -> dict[str, Any]:
        """Wait until the driver of a DataJob runs."""
        try:
            return self.wait_phase("Running", name, seconds)
        except TooLate as late:
            late.add_note(self.describe())
            raise
