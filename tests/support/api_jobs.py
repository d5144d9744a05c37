"""DataJobs on a real API server. Where KubeRay does not run, the test writes the status of RayJobs."""

from typing import Any

from hack.cluster.waiting import SECONDS, wait_for
from tests.support.api import Api

PHASES = ("Starting", "Running", "Retrying", "Suspended", "Complete", "Failed")
OWNED = ("rayjobs", "configmaps", "serviceaccounts", "roles", "rolebindings", "networkpolicies")
SPEC = {
    "sources": [{"parquet": {"paths": ["s3://lake/in/"]}}],
    "sink": {"parquet": {"path": "s3://lake/out/", "mode": "overwrite"}},
    "retry": {"limit": 2, "backoffSeconds": 1},
}


class Jobs:
    """The DataJobs in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def manifest(self, name: str = "clean", **spec: Any) -> dict[str, Any]:
        """A DataJob as a user writes it."""
        meta = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": meta, "spec": {**SPEC, **spec}}

    def apply(self, name: str = "clean", **spec: Any) -> dict[str, Any]:
        """Apply a DataJob."""
        return dict(self.api.apply("datajobs", self.manifest(name, **spec)))

    def edit(self, name: str = "clean", **spec: Any) -> None:
        """Change a DataJob's spec."""
        self.api.patch("datajobs", self.namespace, name, {"spec": spec})

    def get(self, name: str = "clean") -> dict[str, Any]:
        """A DataJob."""
        return self.api.get("datajobs", self.namespace, name) or {}

    def status(self, name: str = "clean") -> dict[str, Any]:
        """The status of a DataJob."""
        return dict(self.get(name).get("status") or {})

    def condition(self, kind: str, name: str = "clean") -> dict[str, Any]:
        """A condition of a DataJob."""
        return next((dict(c) for c in self.status(name).get("conditions", ()) if c["type"] == kind), {})

    def wait_phase(self, phase: str, name: str = "clean", seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for a phase and return the status that has it."""

        def reached() -> dict[str, Any] | None:
            found = self.status(name)
            return found if found.get("phase") == phase else None

        return wait_for(reached, lambda: f"{name} to be {phase}: {self.status(name)}", seconds) or {}

    def wait_condition(self, kind: str, reason: str, name: str = "clean", seconds: float = SECONDS) -> dict[str, Any]:
        """Wait until a condition is True for a reason and return it."""

        def holding() -> dict[str, Any] | None:
            found = self.condition(kind, name)
            return found if found.get("status") == "True" and found.get("reason") == reason else None

        return wait_for(holding, lambda: f"{kind} for {reason}, have {self.status(name).get('conditions')}", seconds) or {}

    def ray_job(self, attempt: int = 1, name: str = "clean", seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for the RayJob of an attempt."""

        def found() -> dict[str, Any] | None:
            status = self.status(name)
            if status.get("attempt") != attempt or "rayJobName" not in status:
                return None
            ray_job: dict[str, Any] | None = self.api.get("rayjobs", self.namespace, status["rayJobName"])
            return ray_job

        return wait_for(found, lambda: f"the RayJob of attempt {attempt} of {name}: {self.status(name)}", seconds) or {}

    def set_ray_job_status(self, ray_job: dict[str, Any], job: str, deployment: str, **status: Any) -> None:
        """Write a RayJob's status as KubeRay does."""
        status_of_kuberay = {
            "jobStatus": job,
            "jobDeploymentStatus": deployment,
            "rayClusterName": f"{ray_job['metadata']['name']}-abcde",
        }
        self.api.patch(
            "rayjobs", self.namespace, ray_job["metadata"]["name"], {"status": {**status_of_kuberay, **status}}, "status"
        )

    def set_running(self, attempt: int = 1, name: str = "clean") -> dict[str, Any]:
        """Bring a DataJob to the phase Running."""
        found = self.ray_job(attempt, name)
        self.set_ray_job_status(found, "RUNNING", "Running")
        self.wait_phase("Running", name)
        return found

    def succeeds(self, name: str = "clean", attempt: int = 1) -> None:
        """Let the driver succeed."""
        self.set_ray_job_status(self.ray_job(attempt, name), "SUCCEEDED", "Complete")
        self.wait_phase("Complete", name)

    def fails(self, message: str, attempt: int = 1, name: str = "clean") -> None:
        """Let the driver fail."""
        found = self.ray_job(attempt, name)
        self.set_ray_job_status(found, "FAILED", "Failed", reason="AppFailed", message=message)

    def wait_observed(self, name: str = "clean") -> dict[str, Any]:
        """Wait until the controller has seen the last edit, and return the status."""

        def observed() -> dict[str, Any] | None:
            found = self.get(name)
            status = dict(found.get("status") or {})
            return status if status and status.get("observedGeneration") == found["metadata"]["generation"] else None

        return wait_for(observed, lambda: f"the last edit of {name} to be observed: {self.status(name)}") or {}

    def settled(self, name: str = "clean") -> dict[str, Any]:
        """The status after an edit that changes nothing: the controller has observed the objects that it has created."""
        self.edit(name, ttlSecondsAfterFinished=86_400)
        return self.wait_observed(name)

    def wait_event(self, reason: str, name: str = "clean") -> list[dict[str, Any]]:
        """Wait for an Event about a DataJob, which follows its status, and return all Events about it."""

        def found() -> list[dict[str, Any]]:
            events = [e for e in self.api.list("events", self.namespace) if e["involvedObject"]["name"] == name]
            return events if reason in {e["reason"] for e in events} else []

        return wait_for(found, f"an Event {reason} about {name}")

    def bring_to(self, phase: str) -> None:
        """Apply a DataJob and bring it to a phase."""
        self.apply(retry={"limit": 1, "backoffSeconds": 600})
        self.reach(phase)

    def reach(self, phase: str) -> None:
        """Bring a DataJob that was applied to a phase."""
        match phase:
            case "Starting":
                self.ray_job()
            case "Running":
                self.set_running()
            case "Retrying":
                self.fails("Job entrypoint command failed with exit code 1")
            case "Suspended":
                self.set_running()
                self.edit(suspend=True)
            case "Complete":
                self.succeeds()
            case "Failed":
                self.fails("Job entrypoint command failed with exit code 2")
        self.wait_phase(phase)

    def owned(self) -> list[str]:
        """The objects in the namespace that the controller created."""
        selector = "app.kubernetes.io/managed-by%3Ddatajob-controller"
        found = ((plural, one) for plural in OWNED for one in self.api.list(plural, self.namespace, selector))
        return [f"{plural}/{one['metadata']['name']}" for plural, one in found]
