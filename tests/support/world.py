"""DataJobs and what is observed of them, as the API server would return them."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from datajob.api.contract import REPORT_KEY
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.objects.configmaps import report_configmap
from datajob_controller.datajob.run import current_run
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.datajob.specs import Check, check_spec
from datajob_controller.runtime.manifests import Manifest, rfc3339
from datajob_controller.runtime.types import Decision, Observed

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
UID = "6f1c2a34-0000-4000-8000-000000000001"
SETTINGS = JobSettings()


def datajob(name: str = "clean-web", status: Manifest | None = None, generation: int = 1, **spec: Any) -> Manifest:
    """A DataJob with the smallest spec and the given fields."""
    smallest = {"sources": [{"parquet": {"paths": ["s3://lake/raw/"]}}], "sink": {"parquet": {"path": "s3://lake/clean/"}}}
    meta = {"name": name, "namespace": "team-a", "uid": UID, "generation": generation, "resourceVersion": "7"}
    made = {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {**meta, "creationTimestamp": rfc3339(NOW)},
        "spec": {**smallest, **spec},
    }
    return {**made, "status": status} if status is not None else made


def ray_job(name: str, *, suspend: bool = False, created: datetime = NOW, **status: Any) -> Manifest:
    """A RayJob of the DataJob as the store keeps it."""
    owner = {"uid": UID, "controller": True}
    meta = {"name": name, "namespace": "team-a", "ownerReferences": [owner], "creationTimestamp": rfc3339(created)}
    return {
        "kind": "RayJob",
        "metadata": meta,
        "spec": {"suspend": suspend},
        "status": {"rayClusterName": f"{name}-abcde", **status},
    }


def pod(
    ray_job: str,
    *,
    head: bool = True,
    name: str = "pod-1",
    group: str = "workers",
    annotations: Manifest | None = None,
    deleted: datetime | None = None,
    **status: Any,
) -> Manifest:
    """A pod of a RayJob's cluster; `deleted` is the end of its grace period."""
    labels = {"ray.io/cluster": f"{ray_job}-abcde", "ray.io/node-type": "head" if head else "worker", "ray.io/group": group}
    meta: Manifest = {"name": name, "labels": labels, "annotations": annotations or {}}
    if deleted:
        meta["deletionTimestamp"] = rfc3339(deleted)
    container = {"name": "ray-head" if head else "ray-worker", "resources": {"limits": {"cpu": "1", "memory": "4Gi"}}}
    return {"kind": "Pod", "metadata": meta, "spec": {"containers": [container]}, "status": status}


def run_name(job: Manifest) -> str:
    """The name of a DataJob's run."""
    run, problems = current_run(job)
    assert run, problems
    return run.name


class World:
    """A DataJob that is decided repeatedly, with every decision carried out: an API server that never fails."""

    def __init__(self, job: Manifest, settings: JobSettings = SETTINGS) -> None:
        self.job = deepcopy(job)
        self.settings = settings
        self.now = NOW
        self.ray_jobs: dict[str, Manifest] = {}
        self.config_maps: dict[str, Manifest] = {}
        self.pods: list[Manifest] = []
        self.kuberay = True
        self.queue_holds = False
        self.checks: Check = check_spec
        """The checks of the release that runs."""
        self.warnings: dict[str, str] = {}
        self.events: list[str] = []
        self.writes = 0

    def decide(self) -> Decision:
        """Decide and carry out the decision."""
        decision = decide(self.job, self.observed(), self.now, self.settings, self.checks)
        for made in decision.create:
            name = made["metadata"]["name"]
            if made["kind"] == "RayJob":
                self.ray_jobs[name] = ray_job(name, created=self.now, suspend=self.queue_holds)
            elif made["kind"] == "ConfigMap":
                self.config_maps[name] = made
        for one in decision.delete:
            {"RayJob": self.ray_jobs, "ConfigMap": self.config_maps}.get(one.kind, {}).pop(one.name, None)
        if decision.status is not None:
            self.job["status"] = decision.status
        self.events += [event.reason for event in decision.events]
        self.writes += len(decision.create) + len(decision.delete) + len(decision.events) + (decision.status is not None)
        return decision

    def observed(self) -> Observed:
        """What the runtime passes to `decide`."""
        pods = {pod["metadata"]["name"]: pod for pod in self.pods}
        owned = {"RayJob": self.ray_jobs, "ConfigMap": self.config_maps, "Pod": pods}
        unserved = frozenset() if self.kuberay else {"RayJob"}
        return Observed(owned, unserved, warnings=self.warnings)

    def settle(self) -> Decision:
        """Decide until nothing changes, as level-based decisions must."""
        for _ in range(10):
            decision = self.decide()
            if not (decision.create or decision.delete or decision.status or decision.events):
                return decision
        raise AssertionError("the decisions do not converge")

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def edit(self, **spec: Any) -> None:
        """Change the spec as a user does."""
        self.job["spec"] |= spec
        self.job["metadata"]["generation"] += 1

    def reports(self, report: str) -> None:
        """The driver writes a report."""
        made = report_configmap(self.job, run_name(self.job))
        made["data"] = {REPORT_KEY: report}
        self.config_maps[made["metadata"]["name"]] = made

    def set_running(self) -> None:
        """The driver runs."""
        self._set_ray_job_status(jobStatus="RUNNING", jobDeploymentStatus="Running")

    def succeeds(self) -> None:
        """The driver succeeds."""
        self._set_ray_job_status(jobStatus="SUCCEEDED", jobDeploymentStatus="Complete")

    def fails(self, message: str = "Job entrypoint command failed with exit code 1") -> None:
        """The driver fails."""
        self._set_ray_job_status(jobStatus="FAILED", jobDeploymentStatus="Failed", reason="AppFailed", message=message)

    def _set_ray_job_status(self, **status: Any) -> None:
        self.ray_job["status"] |= status
        self.settle()

    @property
    def status(self) -> Manifest:
        return dict(self.job["status"])

    @property
    def ray_job(self) -> Manifest:
        """The RayJob of the current attempt."""
        return self.ray_jobs[self.status["rayJobName"]]

    def condition(self, kind: str) -> Manifest:
        return next(dict(c) for c in self.status["conditions"] if c["type"] == kind)

    def true(self) -> set[str]:
        """The conditions that are True."""
        return {c["type"] for c in self.status["conditions"] if c["status"] == "True"}
