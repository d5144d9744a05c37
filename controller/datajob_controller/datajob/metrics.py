"""The metrics of DataJobs. The dashboard and the alerts in `monitoring` are built on these names."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from datajob.api.contract import LABEL_ATTEMPT
from datajob_controller.datajob.series import JobDetail, Series, reason
from datajob_controller.runtime.kind import KindMetrics, Objects
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.metrics import FAST_BUCKETS

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
        self._series = Series(jobs, detail)

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
            self._retries.labels(namespace, reason(status)).inc()
        if not status.get("finished") or before.get("finished"):
            return
        result = str(status["phase"]).lower()
        self._finished.labels(namespace, result, reason(status)).inc()
        started, finished = parse_time(status.get("started")), parse_time(status["finished"])
        if started and finished:
            self._run_seconds.labels(result).observe((finished - started).total_seconds())

    def discovered(self, unserved: Collection[str]) -> None:
        """Record whether KubeRay is installed."""
        self._kuberay.set("RayJob" not in unserved)

    def text(self) -> str:
        """The statuses of all DataJobs."""
        return self._series.text()


def _last_attempt(status: Manifest) -> int:
    """The number of the last attempt that has ended."""
    attempts = status.get("attempts") or [{"number": 0}]
    return int(attempts[-1]["number"])
