"""The metrics of the controller process, for all kinds. Each kind adds its own to the same registry."""

import platform
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

FAST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of the running process, served at /metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        common: dict[str, Any] = {"registry": self.registry}
        versions = {"version": version("datajob"), "python": platform.python_version(), "kopf": version("kopf")}
        Info("datajob_build", "Version of the controller.", **common).info(versions)
        self.reconcile_seconds = Histogram(
            "datajob_reconcile_seconds", "Seconds to reconcile an object once.", buckets=FAST_BUCKETS, **common
        )
        self.reconcile_errors = Counter("datajob_reconcile_errors", "Failed reconciliations.", ["error"], **common)
        self.queue_seconds = Histogram(
            "datajob_queue_seconds", "Seconds that an object waited in the queue.", buckets=FAST_BUCKETS, **common
        )
        self.queue_depth = Gauge("datajob_queue_depth", "Objects waiting in the queue.", **common)
        self.failing = Gauge("datajob_reconcile_failing", "Objects whose last reconciliation failed.", **common)
        self.api_seconds = Histogram(
            "datajob_api_request_seconds",
            "Duration of requests to the API server in seconds.",
            ["verb", "kind", "code"],
            buckets=FAST_BUCKETS,
            **common,
        )
        self.events = Counter("datajob_events", "Kubernetes Events published.", ["type", "reason"], **common)
        self.watch_restarts = Counter(
            "datajob_watch_restarts", "Restarts of all watches, which list every object again.", ["reason"], **common
        )
        self.watched = Gauge(
            "datajob_namespace_watched",
            "1 for a namespace that the leader serves, 0 for one that does not exist, that it has no permission for, or that "
            "another controller serves.",
            ["namespace"],
            **common,
        )
        self.leader = Gauge("datajob_leader", "1 while this replica is the leader.", **common)
        self.last_heartbeat = Gauge(
            "datajob_last_heartbeat_timestamp_seconds", "Time at which an item last passed through the queue.", **common
        )

    def observe_request(self, verb: str, kind: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0 means that there was no response."""
        self.api_seconds.labels(verb, kind, str(code)).observe(seconds)
