"""The controller's metrics. The dashboard and the alerts are generated from the names in here."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from datajob.api.status import Phase
from datajob_controller.runtime.manifests import moment
from datajob_controller.runtime.store import Store

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SLOW = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


class Metrics:
    """What is counted while the controller works; read at /metrics."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        common: dict[str, Any] = {"registry": self.registry}
        self.reconcile_seconds = Histogram(
            "datajob_reconcile_seconds", "Seconds to work on a DataJob once.", buckets=_FAST, **common
        )
        self.reconcile_errors = Counter("datajob_reconcile_errors", "Times that this failed.", ["error"], **common)
        self.queue_seconds = Histogram("datajob_queue_seconds", "Seconds a DataJob waited for that.", buckets=_FAST, **common)
        self.queue_depth = Gauge("datajob_queue_depth", "DataJobs that wait for that.", **common)
        self.api_seconds = Histogram(
            "datajob_api_request_seconds",
            "Seconds of requests to the API server.",
            ["verb", "kind", "code"],
            buckets=_FAST,
            **common,
        )
        self.start_seconds = Histogram(
            "datajob_start_seconds", "Seconds from the creation of a DataJob to its first RayJob.", buckets=_FAST, **common
        )
        self.run_seconds = Histogram(
            "datajob_run_seconds", "Seconds from the first attempt to the end.", ["result"], buckets=_SLOW, **common
        )
        self.events = Counter("datajob_events", "Events told about DataJobs.", ["type", "reason"], **common)
        self.leader = Gauge("datajob_leader", "1 while this replica leads.", **common)
        self.kuberay = Gauge("datajob_kuberay_installed", "1 while the API server serves RayJobs.", **common)
        self.last_beat = Gauge("datajob_last_beat_timestamp_seconds", "When work last went through the queue.", **common)
        self.registry.register(_Jobs(store))

    def observe_request(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0 stands for no answer."""
        self.api_seconds.labels(verb, kind, str(code)).observe(seconds)


class _Jobs(Collector):
    """What the statuses of all DataJobs say, read when somebody asks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("datajob_jobs", "DataJobs by phase.", labels=["namespace", "phase"])
        rows = GaugeMetricFamily("datajob_rows", "Rows of a DataJob.", labels=["namespace", "name", "count"])
        done = GaugeMetricFamily("datajob_progress_ratio", "Done share of a DataJob.", labels=["namespace", "name"])
        shards = GaugeMetricFamily("datajob_shards", "Shards of a DataJob.", labels=["namespace", "name", "state"])
        rejected = GaugeMetricFamily(
            "datajob_rejected_rows", "Rows that a step dropped.", labels=["namespace", "name", "step", "reason"]
        )
        seconds = GaugeMetricFamily(
            "datajob_step_seconds", "Processor seconds of a step over all workers.", labels=["namespace", "name", "step"]
        )
        age = GaugeMetricFamily("datajob_started_timestamp_seconds", "When a DataJob began.", labels=["namespace", "name"])
        failures = GaugeMetricFamily("datajob_failed_attempts", "Failed attempts of a DataJob.", labels=["namespace", "name"])
        phases: dict[tuple[str, Phase | str], int] = {}
        for (namespace, name), datajob in list(self._store.datajobs.items()):
            status, job = datajob.get("status") or {}, (namespace, name)
            phase = (namespace, status.get("phase", "Pending"))
            phases[phase] = phases.get(phase, 0) + 1
            failures.add_metric(job, status.get("failures", 0))
            if started := moment(status.get("started")):
                age.add_metric(job, started.timestamp())
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
        return [jobs, rows, done, shards, rejected, seconds, age, failures]
