"""The metrics of DataJobs. The dashboard and the alerts in `monitoring` are built on these names."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from datajob.api.contract import LABEL_ATTEMPT
from datajob_controller.runtime.kind import KindMetrics, Objects
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.metrics import FAST_BUCKETS

_RUN_BUCKETS = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


class JobMetrics(KindMetrics):
    """What is counted as DataJobs start and end, and what their statuses contain."""

    def __init__(self, registry: CollectorRegistry, jobs: Objects) -> None:
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
        self._kuberay = Gauge("datajob_kuberay_installed", "1 while the API server serves RayJobs.", **common)
        registry.register(_Statuses(jobs))

    def created(self, owner: Manifest, manifests: Sequence[Manifest], now: datetime) -> None:
        """Observe the time to the first RayJob."""
        first = any(one["kind"] == "RayJob" and one["metadata"]["labels"][LABEL_ATTEMPT] == "1" for one in manifests)
        created = parse_time(owner["metadata"].get("creationTimestamp"))
        if first and created and not (owner.get("status") or {}).get("started"):
            self._start_seconds.observe((now - created).total_seconds())

    def status_written(self, owner: Manifest, status: Manifest) -> None:
        """Observe the length of a run that has just ended."""
        if not status.get("finished") or (owner.get("status") or {}).get("finished"):
            return
        started, finished = parse_time(status.get("started")), parse_time(status["finished"])
        if started and finished:
            self._run_seconds.labels(status["phase"].lower()).observe((finished - started).total_seconds())

    def discovered(self, unserved: Collection[str]) -> None:
        """Record whether KubeRay is installed."""
        self._kuberay.set("RayJob" not in unserved)


class _Statuses(Collector):
    """The statuses of all DataJobs, read when Prometheus scrapes."""

    def __init__(self, jobs: Objects) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        of_job = ["namespace", "name"]
        jobs = GaugeMetricFamily("datajob_jobs", "DataJobs by phase.", labels=["namespace", "phase"])
        rows = GaugeMetricFamily("datajob_rows", "Rows of a DataJob.", labels=[*of_job, "count"])
        done = GaugeMetricFamily("datajob_progress_ratio", "Completed share of a DataJob, from 0 to 1.", labels=of_job)
        shards = GaugeMetricFamily("datajob_shards", "Shards of a DataJob.", labels=[*of_job, "state"])
        rejected = GaugeMetricFamily("datajob_rejected_rows", "Rows that a step rejected.", labels=[*of_job, "step", "reason"])
        seconds = GaugeMetricFamily("datajob_step_seconds", "CPU seconds of a step on all workers.", labels=[*of_job, "step"])
        started_at = GaugeMetricFamily("datajob_started_timestamp_seconds", "Start time of a DataJob.", labels=of_job)
        failures = GaugeMetricFamily("datajob_failed_attempts", "Failed attempts of a DataJob.", labels=of_job)
        phases: dict[tuple[str, str], int] = {}
        for datajob in self._jobs():
            meta, status = datajob["metadata"], datajob.get("status") or {}
            job = (meta["namespace"], meta["name"])
            phase = (meta["namespace"], status.get("phase", "Pending"))
            phases[phase] = phases.get(phase, 0) + 1
            failures.add_metric(job, status.get("failures", 0))
            if started := parse_time(status.get("started")):
                started_at.add_metric(job, started.timestamp())
            progress = status.get("progress") or {}
            for count in ("rowsIn", "rowsOut", "rowsRejected", "rowsFailed"):
                rows.add_metric((*job, count.removeprefix("rows").lower()), progress.get(count, 0))
            for state, field in (("done", "shardsDone"), ("total", "shardsTotal")):
                shards.add_metric((*job, state), progress.get(field, 0))
            done.add_metric(job, 1.0 if status.get("phase") == "Complete" else progress.get("percent", 0) / 100)
            for step in status.get("steps", ()):
                seconds.add_metric((*job, step["name"]), step.get("seconds", 0))
                for reason, count in step.get("rejected", {}).items():
                    rejected.add_metric((*job, step["name"], reason), count)
        for key, number in phases.items():
            jobs.add_metric(key, number)
        return [jobs, rows, done, shards, rejected, seconds, started_at, failures]
