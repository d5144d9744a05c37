"""Submits jobs to a cluster, where the controller runs them, and waits for their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.problems import raise_errors
from datajob.errors import NotComplete
from datajob.python.jobs import Job, opened, parsed
from datajob.python.kube import FIELD_MANAGER, DataJobs, Temporary
from datajob.python.outcome import Manifest, outcome, progress_line

POLL_SECONDS = 2.0
MAX_POLL_SECONDS = 30.0
"""Between requests while the API server cannot be reached."""


class SubmittedJob:
    """A DataJob on a cluster."""

    def __init__(self, jobs: DataJobs, applied: Manifest, sent: dict[str, Any], before: Manifest | None) -> None:
        self._jobs, self._sent = jobs, sent
        self.name = str(applied["metadata"]["name"])
        """Its name."""
        self.namespace = jobs.namespace
        """Its namespace."""
        self.uid = str(applied["metadata"]["uid"])
        """Its UID. A DataJob of the same name that is created later has another one."""
        self._generation = int(applied["metadata"].get("generation", 1))
        versions = [one["metadata"]["resourceVersion"] for one in (before, applied) if one]
        self.change = "created" if not before else "unchanged" if versions[0] == versions[1] else "configured"
        """What the submission changed: `created`, `configured` or `unchanged`."""

    def object(self) -> dict[str, Any]:
        """The DataJob as `kubectl get -o yaml` shows it, with its status.

        Raises:
            NotComplete: It was deleted.
            ClusterUnavailable: The API server cannot be reached, or refuses the request.
        """
        found = self._jobs.get(self.name)
        if found is None or found["metadata"]["uid"] != self.uid:
            raise NotComplete(f"DataJob {self.name} in namespace {self.namespace} was deleted")
        return found

    def status(self) -> dict[str, Any]:
        """The status of the DataJob; empty until the controller has written it. Raises as `object` does."""
        return dict(self.object().get("status") or {})

    def wait(self, timeout: float | None = None, progress: Callable[[str], None] | None = None) -> dict[str, Any]:
        """Wait until the job has ended. While the API server cannot be reached, the request is repeated.

        Args:
            timeout: Seconds after which to stop waiting; by default, there is no limit. The job continues.
            progress: Called with a line about the state of the job whenever that changes.

        Returns:
            The status of the complete job; `output.manifest` is the path of the list of its files.

        Raises:
            DataJobError: The job failed. The class is that of a local run, such as InputError or RowsFailed.
            NotComplete: The job failed for another reason, was deleted, or did not finish within the timeout.
            ClusterUnavailable: The API server refuses the request.
        """
        end = time.monotonic() + timeout if timeout is not None else float("inf")
        last, pause = "", POLL_SECONDS
        while True:
            try:
                job, pause = self.object(), POLL_SECONDS
                line, ended = progress_line(job), outcome(job, self._generation)
            except Temporary as error:
                line, ended, pause = f"Unknown, {error}", None, min(2 * pause, MAX_POLL_SECONDS)
            if progress and line != last:
                progress(line)
                last = line
            if ended and ended.error:
                raise ended.error(f"DataJob {self.name} in namespace {self.namespace} failed. {ended.message}")
            if ended:
                return dict(job["status"])
            if time.monotonic() >= end:
                raise NotComplete(
                    f"DataJob {self.name} has not finished after {timeout:g} s. It continues on the cluster: {line}"
                )
            time.sleep(max(0.0, min(pause, end - time.monotonic())))

    def suspend(self) -> None:
        """Suspend the job. Submitting it again, or `resume`, continues it with the shards that are done.

        Raises:
            ClusterUnavailable: The API server cannot be reached, or refuses the request.
        """
        self._jobs.apply({**self._sent, "spec": {**self._sent["spec"], "suspend": True}}, force=True)

    def resume(self) -> None:
        """Continue a job that `suspend` has suspended. Raises as `suspend` does."""
        applied = self._jobs.apply(self._sent, force=True)
        self._generation = int(applied["metadata"].get("generation", 1))

    def delete(self) -> None:
        """Delete the DataJob and its pods, but not its result. Raises ClusterUnavailable."""
        self._jobs.delete(self.name, self.uid)

    def __repr__(self) -> str:
        return f"SubmittedJob({self.namespace}/{self.name})"


def submit(
    job: Job,
    *,
    namespace: str | None = None,
    context: str | None = None,
    run_id: str | None = None,
    force_conflicts: bool = False,
) -> SubmittedJob:
    """Submit a job to a cluster: apply it as a DataJob, server-side. An unchanged job that has ended does not run again.

    Args:
        job: A job, the path of its YAML file, or its content as a mapping.
        namespace: Namespace of the DataJob; by default, that of the job, then that of the context or of the pod.
        context: Context of the kubeconfig. Without a kubeconfig, the service account of the pod is used.
        run_id: Identity of the run, stored as `spec.restart.id`. The job runs again whenever it changes; with the same
            identity, a submission after an interruption continues to wait for the same run.
        force_conflicts: Take over fields that another tool manages.

    Returns:
        The submitted job, on which you can wait.

    Raises:
        InvalidJob: The job has errors, or the API server refuses it.
        ClusterUnavailable: The API server cannot be reached, or the permission is missing.
    """
    document = opened(job)
    checked = parsed(document)
    raise_errors(document.with_problems(check(checked)).errors)
    return submit_checked(checked, namespace=namespace, context=context, run_id=run_id, force_conflicts=force_conflicts)


def submit_checked(
    job: DataJob, *, namespace: str | None, context: str | None, run_id: str | None, force_conflicts: bool
) -> SubmittedJob:
    """Apply a job without errors. Raises InvalidJob or ClusterUnavailable."""
    value = job.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"status"})
    jobs = DataJobs(namespace or value["metadata"].get("namespace"), context)
    value = {**value, "metadata": {**value["metadata"], "namespace": jobs.namespace}, "spec": dict(value["spec"])}
    before = jobs.get(value["metadata"]["name"])
    restart = ((before or {}).get("spec") or {}).get("restart")
    if run_id is not None:
        value["spec"]["restart"] = {**value["spec"].get("restart", {}), "id": run_id}
    elif restart and "restart" not in value["spec"] and _own(before or {}, "f:restart"):
        value["spec"]["restart"] = restart  # leaving it out would be a change, which starts a new run
    return SubmittedJob(jobs, jobs.apply(value, force=force_conflicts), value, before)


def _own(job: Mapping[str, Any], field: str) -> bool:
    """Whether an earlier submission set a field of the spec."""
    managers: Sequence[Mapping[str, Any]] = job["metadata"].get("managedFields") or ()
    return any(one.get("manager") == FIELD_MANAGER and field in one.get("fieldsV1", {}).get("f:spec", {}) for one in managers)
