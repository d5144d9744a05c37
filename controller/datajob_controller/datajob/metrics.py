"""The metrics of DataJobs. The dashboard and the alerts in `monitoring` are built on these names."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from datajob.api.contract import LABEL_ATTEMPT
from datajob_controller.runtime.kind import KindMetrics, Objects
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.metrics import FAST_BUCKETS

JobDetail = Literal["none", "jobs", "steps"]
FINISHED = ("Complete", "Failed")
"""Phases in which a job has no series per step: there can be thousands of finished jobs."""
_RUN_BUCKETS = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


class JobMetrics(KindMetrics):
    """What is counted as DataJobs start and end, and what their statuses contain."""

    def __init__(self, registry: CollectorRegistry, jobs: Objects, detail: JobDetail = "steps") -> None:
        common: dict[str, Any] = {"registry": registry}
        self._start_seconds = Histogram(
            "datajob_start_seconds",
            "Seconds from the creation of a DataJob to its first RayJob.",
            buckets=FAST_BUCKETS,
            **common,
        )
        self._run_seconds = Histogram(
            "datajob_run_seconds",
            "Seconds from the first attempt to the end of a run.",
            ["result"],
            buckets=_RUN_BUCKETS,
            **common,
        )
        self._finished = Counter("datajob_finished", "DataJobs that finished.", ["namespace", "result", "reason"], **common)
        self._retries = Counter("datajob_retries", "Attempts that failed and are retried.", ["namespace", "reason"], **common)
        self._kuberay = Gauge("datajob_kuberay_installed", "1 while the API server serves RayJobs.", **common)
        registry.register(_Statuses(jobs, detail))

    def created(self, owner: Manifest, manifests: Sequence[Manifest], now: datetime) -> None:
        """Observe the time to the first RayJob."""
        first = any(one["kind"] == "RayJob" and one["metadata"]["labels"][LABEL_ATTEMPT] == "1" for one in manifests)
        created = parse_time(owner["metadata"].get("creationTimestamp"))
        if first and created and not (owner.get("status") or {}).get("started"):
            self._start_seconds.observe((now - created).total_seconds())

    def status_written(self, owner: Manifest, status: Manifest) -> None:
        """Count attempts that are retried, and observe a run that has just ended."""
        namespace, before = owner["metadata"]["namespace"], owner.get("status") or {}
        if status.get("phase") == "Retrying" and _last_attempt(status) != _last_attempt(before):
            self._retries.labels(namespace, _reason(status)).inc()
        if not status.get("finished") or before.get("finished"):
            return
        result = str(status["phase"]).lower()
        self._finished.labels(namespace, result, _reason(status)).inc()
        started, finished = parse_time(status.get("started")), parse_time(status["finished"])
        if started and finished:
            self._run_seconds.labels(result).observe((finished - started).total_seconds())

    def discovered(self, unserved: Collection[str]) -> None:
        """Record whether KubeRay is installed."""
        self._kuberay.set("RayJob" not in unserved)


_OF_JOB = ("namespace", "name")


class _Statuses(Collector):
    """The statuses of all DataJobs, read when Prometheus scrapes, in a thread."""

    def __init__(self, jobs: Objects, detail: JobDetail) -> None:
        self._jobs = jobs
        self._detail = detail

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("datajob_jobs", "DataJobs by phase.", labels=["namespace", "phase"])
        phases: dict[tuple[str, str], int] = {}
        families = _Families(with_steps=self._detail == "steps")
        for datajob in self._jobs():
            meta, status = datajob["metadata"], datajob.get("status") or {}
            phase = (meta["namespace"], status.get("phase", "Pending"))
            phases[phase] = phases.get(phase, 0) + 1
            if self._detail != "none":
                families.add((meta["namespace"], meta["name"]), status)
        for key, number in phases.items():
            jobs.add_metric(key, number)
        return [jobs, *families.all()]


class _Families:
    """The metrics of single jobs."""

    def __init__(self, *, with_steps: bool) -> None:
        self._with_steps = with_steps
        self._phase = _gauge("phase", "1 for the phase of a DataJob; the reason is that of its condition.", "phase", "reason")
        self._stalled = _gauge("stalled", "1 for a DataJob that waits for a user: it is Stalled but has not failed.", "reason")
        self._attempt = _gauge("attempt", "Number of the current attempt of a DataJob.")
        self._failures = _gauge("failed_attempts", "Failed attempts of a DataJob.")
        self._started = _gauge("started_timestamp_seconds", "Start time of a DataJob.")
        self._finished = _gauge("finished_timestamp_seconds", "End time of a DataJob.")
        self._progress = _gauge("progress_ratio", "Completed share of a DataJob, from 0 to 1.")
        self._eta = _gauge("eta_seconds", "Estimated time until a DataJob is complete, while it runs.")
        self._busy = _gauge("pool_busy_ratio", "Share of the time during which the processes of a running stage work.", "pool")
        self._queued = _gauge("pool_queued_rows", "Rows that wait for the processes of a running stage.", "pool")
        self._rate = _gauge("pool_rows_per_second", "Rows per second of the processes of a running stage.", "pool")
        self._rows = _gauge("rows", "Rows of a DataJob.", "count")
        self._shards = _gauge("shards", "Shards of a DataJob.", "state")
        self._bytes = _gauge("output_bytes", "Size of the result of a DataJob.")
        self._rejected = _gauge("rejected_rows", "Rows that a step rejected.", "step", "reason")
        self._seconds = _gauge("step_seconds", "Processing time of a step in seconds, summed over all workers.", "step")

    def all(self) -> list[Metric]:
        """Every family."""
        return [family for family in vars(self).values() if isinstance(family, Metric)]

    def add(self, job: tuple[str, str], status: Manifest) -> None:
        """Add the samples of one job."""
        phase = status.get("phase", "Pending")
        self._phase.add_metric((*job, phase, _reason(status)), 1)
        if phase != "Failed" and _is_true(status, "Stalled"):
            self._stalled.add_metric((*job, _reason(status)), 1)
        self._attempt.add_metric(job, status.get("attempt", 0))
        self._failures.add_metric(job, status.get("failures", 0))
        for family, field in ((self._started, "started"), (self._finished, "finished")):
            if moment := parse_time(status.get(field)):
                family.add_metric(job, moment.timestamp())
        self._add_progress(job, phase, status.get("progress") or {})
        if phase == "Running":
            self._add_pools(job, status.get("pools", ()))
        if "output" in status:
            self._bytes.add_metric(job, status["output"].get("bytes", 0))
        if self._with_steps and phase not in FINISHED:
            self._add_steps(job, status.get("steps", ()))

    def _add_progress(self, job: tuple[str, str], phase: str, progress: Manifest) -> None:
        for count in ("rowsIn", "rowsOut", "rowsRejected", "rowsFailed"):
            self._rows.add_metric((*job, count.removeprefix("rows").lower()), progress.get(count, 0))
        for state, field in (("done", "shardsDone"), ("total", "shardsTotal")):
            self._shards.add_metric((*job, state), progress.get(field, 0))
        self._progress.add_metric(job, 1.0 if phase == "Complete" else progress.get("percent", 0) / 100)
        if phase == "Running" and progress.get("etaSeconds") is not None:
            self._eta.add_metric(job, progress["etaSeconds"])

    def _add_pools(self, job: tuple[str, str], pools: Iterable[Manifest]) -> None:
        for pool in pools:
            for family, field in ((self._busy, "busy"), (self._queued, "queued"), (self._rate, "rowsPerSecond")):
                family.add_metric((*job, pool["name"]), pool.get(field, 0))

    def _add_steps(self, job: tuple[str, str], steps: Iterable[Manifest]) -> None:
        for step in steps:
            self._seconds.add_metric((*job, step["name"]), step.get("seconds", 0))
            for reason, count in step.get("rejected", {}).items():
                self._rejected.add_metric((*job, step["name"], reason), count)


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"datajob_{name}", documentation, labels=[*_OF_JOB, *labels])


def _is_true(status: Manifest, kind: str) -> bool:
    return any(one["type"] == kind and one["status"] == "True" for one in status.get("conditions", ()))


def _last_attempt(status: Manifest) -> int:
    """The number of the last attempt that has ended."""
    attempts = status.get("attempts") or [{"number": 0}]
    return int(attempts[-1]["number"])


def _reason(status: Manifest) -> str:
    """The reason of the phase: that of the condition that is true. `Accepted` is true in almost every phase."""
    true = [one for one in status.get("conditions", ()) if one["status"] == "True" and one["type"] != "Accepted"]
    return str(true[0]["reason"]) if true else "Pending"
