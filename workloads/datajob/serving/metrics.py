"""The metrics of a service: one table, exported by prometheus_client or, in Ray Serve, by Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

PREFIX = "datajob_service_"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TOKEN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


@dataclass(frozen=True)
class Series:
    """A metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SERIES = (
    Series("requests_total", "counter", "Requests by operation, status and API key", ("operation", "status", "key")),
    Series("rejected_total", "counter", "Requests that were refused or failed, by reason", ("reason",)),
    Series("prompt_tokens_total", "counter", "Tokens of prompts", ("key",)),
    Series("completion_tokens_total", "counter", "Generated tokens", ("key",)),
    Series("time_to_first_token_seconds", "histogram", "Time from a request to its first token", (), _SECONDS),
    Series("time_per_token_seconds", "histogram", "Time per token after the first one", (), _TOKEN_SECONDS),
    Series("request_seconds", "histogram", "Time from a request to the end of its reply", ("operation",), _SECONDS),
    Series("requests_in_progress", "gauge", "Accepted requests without a complete reply"),
    Series("queued_tokens", "gauge", "Tokens of requests that wait for their first token"),
    Series("queue_age_seconds", "gauge", "Age of the oldest request without a first token"),
    Series("batch_fill_ratio", "gauge", "Answers that are being generated, as a fraction of the maximum"),
    Series("model_ready", "gauge", "1 if the model is loaded and can answer"),
    Series("model_revision", "gauge", "1 for the commit of the loaded model, or `local` for a folder", ("revision",)),
)
"""All metrics, without the prefix. Each one has the additional label `model`."""


class Meter(Protocol):
    """Records values of metrics."""

    def record(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter, set a gauge, or observe a value of a histogram."""


class PrometheusMeter:
    """Metrics of this process, as text."""

    def __init__(self, model: str) -> None:
        import prometheus_client as prometheus

        self._model = model
        self._registry = prometheus.CollectorRegistry()
        kinds: dict[str, Any] = {"counter": prometheus.Counter, "gauge": prometheus.Gauge, "histogram": prometheus.Histogram}
        self._series: dict[str, tuple[str, Any]] = {}
        for each in SERIES:
            buckets = {"buckets": each.buckets} if each.buckets else {}
            labels = ("model", *each.labels)
            made = kinds[each.kind](PREFIX + each.name, each.description, labels, registry=self._registry, **buckets)
            self._series[each.name] = (each.kind, made)

    def record(self, name: str, value: float = 1, **labels: str) -> None:
        """Record a value."""
        kind, series = self._series[name]
        series = series.labels(model=self._model, **labels)
        if kind == "counter":
            series.inc(value)
        elif kind == "gauge":
            series.set(value)
        else:
            series.observe(value)

    def text(self) -> bytes:
        """The metrics in the format of Prometheus."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


class RayMeter:
    """Metrics that Ray exports on each node, with the prefix `ray_`."""

    def __init__(self, model: str) -> None:
        from ray.serve import metrics

        self._model = model
        self._series: dict[str, tuple[str, Any]] = {}
        for each in SERIES:
            labels: Any = ("model", *each.labels)  # Ray declares tuples of one label
            name = PREFIX + each.name
            made: Any
            if each.kind == "histogram":
                made = metrics.Histogram(name, each.description, list(each.buckets), labels)
            else:
                made = (metrics.Counter if each.kind == "counter" else metrics.Gauge)(name, each.description, labels)
            self._series[each.name] = (each.kind, made)

    def record(self, name: str, value: float = 1, **labels: str) -> None:
        """Record a value."""
        kind, series = self._series[name]
        tags = {"model": self._model, **labels}
        if kind == "counter":
            if value > 0:  # Ray refuses 0
                series.inc(value, tags)
        elif kind == "gauge":
            series.set(value, tags)
        else:
            series.observe(value, tags)
